"""Places of the project."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # the checkout, or where packages are installed
CHECKOUT = (ROOT / "pyproject.toml").is_file()
RESULTS = Path("results")  # of the folder that a command is given in, as is DATA
DATA = Path("data")


def spelled(out: Path) -> str:
    """A folder of results as ``--out`` names it in the checkout, where it lies there; empty for the
    usual one.
    """
    if out == RESULTS or not CHECKOUT or not out.resolve().is_relative_to(ROOT):
        return "" if out == RESULTS else str(out)
    place = out.resolve().relative_to(ROOT)
    return "" if place == RESULTS else place.as_posix()
