"""Names, seeds and devices out of the text of options."""

from __future__ import annotations

import os
import re

from benchmark.core.errors import UserError

MAX_SEEDS = 1000


def split(text: str | None) -> list[str]:
    """``a,b[c=1,d=2]`` -> [a, b[c=1,d=2]]; no option -> [].

    Raises UserError on an option that names nothing.
    """
    if text is None:
        return []
    parts = [part.strip() for part in re.split(r",(?![^\[]*\])", text) if part.strip()]
    if not parts:
        raise UserError(f"{text!r} names nothing; separate names by commas")
    return parts


def parse_seeds(text: str | None) -> tuple[int, ...] | None:
    """``0-4`` or ``0,2,5`` -> seeds; None where none were named. Raises UserError otherwise."""
    if text is None:
        return None
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        numbers = [first, last] if dash else [first, first]
        if not all(n.isascii() and n.isdigit() and len(n) <= 9 for n in numbers):
            raise UserError(f"--seeds {text}: expected 0-4 or 0,2,5")
        if int(numbers[1]) - int(numbers[0]) >= MAX_SEEDS:
            raise UserError(f"--seeds {text}: more than {MAX_SEEDS} seeds")
        seeds += range(int(numbers[0]), int(numbers[1]) + 1)
        if len(seeds) > MAX_SEEDS:
            raise UserError(f"--seeds {text}: more than {MAX_SEEDS} seeds")
    if not seeds:
        raise UserError(f"--seeds {text}: names no seed")
    return tuple(dict.fromkeys(seeds))


def pick_device(name: str) -> str:
    """cpu or cuda. Raises UserError where cuda is asked for and missing."""
    if name == "cpu":
        return name
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise UserError("--device cuda: torch finds no GPU here; use --device cpu")
    return "cpu"


def jobs(asked: int | None, device: str, usual: int | None = None) -> int:
    """Worker processes: as asked, else as usual, else one for each core this process may use (one
    on a GPU).
    """
    if asked is not None and asked < 1:
        raise UserError(f"--jobs {asked}: must be at least 1")
    if asked or usual:
        return asked or usual
    return 1 if device == "cuda" else len(os.sched_getaffinity(0))
