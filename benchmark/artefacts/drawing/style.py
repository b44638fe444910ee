"""One look for every figure: names, colours and saving."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from benchmark.core.files import replaced
from benchmark.results.names import LOOKS, key

matplotlib.use("agg")
# A user's matplotlibrc, or a plugin, must not change what figures look like.
DEFAULTS = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}

SPARE = ("#AA4499", "#661100", "#6699CC", "#AA4466")  # plugins, in alphabetical order
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))  # a method, then its variants
RC = DEFAULTS | {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "lbt-bench",
    "savefig.dpi": 200,
}
PAGE_WIDTH = 7.0  # inches: two columns of a conference paper
NOTE_WIDTH = 120  # characters of size 6 across it


def image_name(label: str) -> str:
    """A method's name on images, where the paper calls GAN with convolutional networks DCGAN."""
    return "DCGAN" + label.removeprefix("gan") if key(label) == "gan" else name(label)


def name(label: str) -> str:
    """A method's name in print; a variant keeps its brackets, an estimator on data its own name."""
    method = key(label)
    variant = label.removeprefix(method).strip("[]")
    if method == "vae" and variant and "=" not in variant:
        return f"{variant} on data"
    return (LOOKS[method].name if method in LOOKS else method) + label.removeprefix(method)


def looks(labels: Iterable[str]) -> dict[str, dict]:
    """Colour and dashes of every label of a figure, as keywords for ``plot``.

    A method has the same colour in every figure; its variants share it and differ in dashes.
    """
    labels = sorted(set(labels))
    plugins = sorted({key(m) for m in labels} - set(LOOKS))
    colours = {m: look.colour for m, look in LOOKS.items()} | {
        p: SPARE[i % len(SPARE)] for i, p in enumerate(plugins)
    }
    found = {}
    for label in labels:
        family = [m for m in labels if key(m) == key(label) and m != key(label)]
        place = 1 + family.index(label) if label in family else 0
        found[label] = {"color": colours[key(label)], "ls": DASHES[place % len(DASHES)]}
    return found


def plain(text: str) -> str:
    """A name as a figure shows it: no mathematics."""
    return text.replace("$", r"\$")


def lines(text: str, width: int = NOTE_WIDTH) -> str:
    """A note on a figure, its lines broken where they would not fit."""
    return "\n".join(textwrap.fill(line, width) for line in text.splitlines())


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write stem.png, in 256 colours, and stem.svg; the same figure gives the same bytes."""
    png, svg = stem.with_suffix(".png"), stem.with_suffix(".svg")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    with replaced(png) as file, Image.open(drawn) as picture:
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(file, "PNG", optimize=True, dpi=picture.info["dpi"])
    with replaced(svg) as file:
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return [png, svg]
