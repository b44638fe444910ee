"""Figures as data URIs, small enough that the page carries all of them."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image

QUALITY = 80  # of WebP: artefacts of line art are just out of sight, at a third of the PNG's bytes
FEW_COLOURS = 256  # drawings of so few are exact without loss, and mostly smaller
WIDEST = 1400  # pixels: as wide as the figures are drawn


class Picture(NamedTuple):
    """An image of the page: its data URI, or the reason why there is none."""

    name: str
    uri: str = ""
    width: int = 0
    height: int = 0
    error: str = ""


def inline(path: Path) -> Picture:
    """A PNG file as WebP. A file that is no image becomes a line that says so."""
    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Picture(path.name, error="damaged, redraw it")
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)))
    content = _webp(image, lossless=False)
    if image.getcolors(FEW_COLOURS) is not None:
        content = min(_webp(image, lossless=True), content, key=len)
    uri = "data:image/webp;base64," + base64.b64encode(content).decode()
    return Picture(path.name, uri, image.width, image.height)


def _webp(image: Image.Image, lossless: bool) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=6, lossless=lossless)
    return buffer.getvalue()
