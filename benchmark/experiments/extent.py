"""How large an experiment is beside the released one, in words: computed, never typed."""

from __future__ import annotations

from functools import cache

from benchmark.core.run import DatasetSettings
from benchmark.experiments.presets import load_preset

RELEASED = "paper"  # the preset of the released iteration counts and batches
UNRELEASED = ("toy1d",)  # data whose budget there is ours, since no code was released for them


@cache
def released(data: str) -> DatasetSettings | None:
    """The authors' budget on some data; None where there is none."""
    return None if data in UNRELEASED else load_preset(RELEASED).datasets.get(data)


def percent(share: float) -> str:
    """A share in words that neither hides nor invents digits."""
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"


def extent(budget: DatasetSettings) -> str:
    """``6,000 of 1,000,000 released generator updates (0.6 %), batch 128 instead of 512``."""
    made = sorted({*budget.updates.values()} or {budget.iterations})
    words = " to ".join(f"{n:,}" for n in dict.fromkeys((made[0], made[-1])))
    theirs = released(budget.data)
    if theirs is None:
        return f"{words} generator updates, batch {budget.batch:,}"
    shares = (percent(n / theirs.iterations) for n in dict.fromkeys((made[0], made[-1])))
    text = f"{words} of {theirs.iterations:,} released generator updates ({' to '.join(shares)})"
    batch = f", batch {budget.batch:,} instead of {theirs.batch:,}"
    return text + (batch if budget.batch != theirs.batch else "")
