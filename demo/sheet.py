"""The contact sheet: the training pictures of a style beside what was made of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

GAP = 8
MARGIN = 40
TRAINING = (4, 224)  # columns, and pixels of a cell
MADE = (2, 2 * 224 + GAP)
INK = (235, 235, 235)
PAPER = (24, 24, 28)


def write_sheet(path: Path, styles: Mapping[str, tuple[Sequence[Path], Sequence[Path]]]) -> None:
    """Write one PNG; `styles` maps a name to its training pictures and the made ones."""
    half = _span(TRAINING)
    heights = [MARGIN + max(_height(t, TRAINING), _height(m, MADE)) for t, m in styles.values()]
    size = (MARGIN * 3 + half * 2, MARGIN + sum(height + MARGIN for height in heights))
    sheet = Image.new("RGB", size, PAPER)
    drawing = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=20)
    top = MARGIN
    for (name, (training, made)), height in zip(styles.items(), heights, strict=True):
        right = MARGIN * 2 + half
        drawing.text((MARGIN, top), f"{name}: learned from", INK, font=font)
        drawing.text((right, top), f"{name}: painted", INK, font=font)
        _paste(sheet, training, (MARGIN, top + MARGIN), TRAINING)
        _paste(sheet, made, (right, top + MARGIN), MADE)
        top += height + MARGIN
    sheet.save(path)


def _span(grid: tuple[int, int]) -> int:
    columns, cell = grid
    return columns * (cell + GAP)


def _height(paths: Sequence[Path], grid: tuple[int, int]) -> int:
    columns, cell = grid
    return -(-len(paths) // columns) * (cell + GAP)


def _paste(
    sheet: Image.Image, paths: Sequence[Path], corner: tuple[int, int], grid: tuple[int, int]
) -> None:
    columns, cell = grid
    for number, path in enumerate(paths):
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((cell, cell), Image.Resampling.LANCZOS)
        row, column = divmod(number, columns)
        place = (corner[0] + column * (cell + GAP), corner[1] + row * (cell + GAP))
        sheet.paste(small, place)
