"""What a file says about its picture before anything is decoded."""

from dataclasses import dataclass


class PictureRefused(Exception):
    """The file is not a picture that we take.

    `code` is stable: not_an_image, unsupported_format, too_small, too_many_pixels, too_large,
    undecodable.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Outline:
    """Width and height in pixels, and the file without what is not needed to decode it."""

    width: int
    height: int
    bare: bytes


def undecodable(message: str = "The picture is damaged or cut.") -> PictureRefused:
    """Return the refusal of a file that is not whole."""
    return PictureRefused("undecodable", message)


def more_than_a_picture() -> PictureRefused:
    """Return the refusal of a file that goes on after its picture."""
    return PictureRefused("unsupported_format", "The file holds more than one picture.")
