"""Sample sheets: images laid out pixel by pixel, enlarged by a whole factor, captioned."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmark.artefacts.drawing import style
from benchmark.core.files import replaced

GAP, MARGIN, TITLE = 2, 12, 20  # pixels between images, around panels, and for a caption
LETTER, LINE = 5, 14  # pixels of the note: the mean letter, rounded up, and a further line


class Panel(NamedTuple):
    """A titled sheet of images (N, H, W, 3), bytes."""

    title: str
    images: np.ndarray


def sheet(images: np.ndarray, columns: int, scale: int) -> np.ndarray:
    """The first full rows of images side by side on white, each pixel ``scale`` pixels wide."""
    large = images.repeat(scale, axis=1).repeat(scale, axis=2)
    count, height, width, channels = large.shape
    lines = count // columns
    shape = (lines * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels)
    page = np.full(shape, 255, np.uint8)
    for i in range(lines * columns):
        top, left = (i // columns) * (height + GAP), (i % columns) * (width + GAP)
        page[top : top + height, left : left + width] = large[i]
    return page


def save(
    panels: list[Panel], note: str, stem: Path, *, columns: int = 8, across: int = 2, scale: int = 1
) -> list[Path]:
    """Write stem.png: the panels ``across`` to a row, the note below."""
    sheets = [sheet(panel.images[: columns * columns], columns, scale) for panel in panels]
    height, width = max(s.shape[0] for s in sheets), max(s.shape[1] for s in sheets)
    lines = -(-len(panels) // across)
    wide = MARGIN + min(across, len(panels)) * (width + MARGIN)
    note = style.lines(note, (wide - 2 * MARGIN) // LETTER)
    notes = MARGIN + lines * (TITLE + height + MARGIN)  # where they begin
    size = (wide, notes + TITLE + LINE * note.count("\n"))
    page = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for i, (panel, pixels) in enumerate(zip(panels, sheets, strict=True)):
        left = MARGIN + (i % across) * (width + MARGIN)
        top = MARGIN + (i // across) * (TITLE + height + MARGIN)
        pen.text((left, top), panel.title, "black", font)
        page.paste(Image.fromarray(pixels), (left, top + TITLE))
    small = ImageFont.load_default(10)
    pen.text((MARGIN, notes), note, "gray", small)
    path = stem.with_suffix(".png")
    with replaced(path) as file:
        page.save(file, "PNG")
    return [path]
