"""Places of the project."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # the checkout, or where packages are installed
CHECKOUT = (ROOT / "pyproject.toml").is_file()
RESULTS = Path("results")  # of the folder that a command is given in, as is DATA
DATA = Path("data")
