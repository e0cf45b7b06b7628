"""Prepares a bench's book: `python -m benchmarks.fill PAYERS ARTISTS`."""

import sys

import django

django.setup()

from benchmarks import story  # noqa: E402 -- needs Django's settings


def main(payers: str, artists: str) -> None:
    """Give the payers tokens and the artists styles, through the door and the append."""
    story.open_wallets([story.person(number) for number in range(int(payers))])
    story.train_styles([story.person(number, "artist") for number in range(int(artists))])


if __name__ == "__main__":
    main(*sys.argv[1:])
