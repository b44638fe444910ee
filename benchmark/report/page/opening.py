"""What a page says before anything else: who came first on a dataset, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from benchmark.artefacts.drawing import style
from benchmark.report.page.grids import number
from benchmark.results.leaderboard import shown
from metrics import METRICS

TOLD = 2  # scores that a sentence names
CLAIMS = 2  # different ones that a headline can hold
ALONE = " alone"


class Opening(NamedTuple):
    """claim: ``GAN comes first``, for a headline. words: the sentence behind it."""

    claim: str
    words: str


def of(rows: pd.DataFrame) -> Opening:
    """What the rows of one dataset say, the best of them first (``leaderboard.ranked``)."""
    rivals = rows[rows["role"] != "reference"]
    if rivals.empty:
        return Opening("", "")
    first, name = rivals.iloc[0], style.name(rivals.iloc[0]["method"])
    if len(rivals) == 1:
        return Opening(name + ALONE, f"{name}, compared with no other: {_values(first)}.")
    second = rivals.iloc[1]
    words = f"{name}: {_values(first)}; then {style.name(second['method'])}: {_values(second)}"
    if not first["learned"]:
        return Opening("nothing has learned", f"No method has half of its samples right. {words}.")
    lead, why = _lead(first, second)
    return Opening(f"{name} {lead}", f"{words}; {why}.")


def headline(openings: Mapping[str, Opening], most: int = CLAIMS) -> str:
    """``GAN comes first on ring and grid; nothing has learned on toy1d``, by dataset: the first so
    many different claims, comparisons before what stands alone.
    """
    places: dict[str, list[str]] = {}
    for dataset, opening in openings.items():
        places.setdefault(opening.claim, []).append(dataset)
    places.pop("", None)
    told = sorted(places.items(), key=lambda place: place[0].endswith(ALONE))[:most]
    text = "; ".join(f"{claim} on {_listed(found)}" for claim, found in told)
    return text[:1].upper() + text[1:]


def _lead(first: pd.Series, second: pd.Series) -> tuple[str, str]:
    """How far the first is ahead of the second, by the first score in which they differ, and how
    that is known.
    """
    chance = "is ahead, within chance,"
    if not second["learned"]:
        return "comes first", "that one has less than half of its samples right"
    differ = [n for n in shown(pd.DataFrame([first, second])) if first[n] != second[n]]
    if not differ:
        return "shares the first place", "equal in every score"
    name = differ[0]
    low, high = (
        [float(row[f"{name}_{end}"]) for row in (first, second)] for end in ("low", "high")
    )
    if any(end != end for end in low + high):
        return chance, "a single seed says nothing of chance"
    if max(low) <= min(high):
        return chance, f"their intervals of {METRICS[name].label} overlap"
    return "comes first", f"their intervals of {METRICS[name].label} are apart"


def _values(row: pd.Series) -> str:
    told = shown(row.to_frame().T)[:TOLD]
    return ", ".join(f"{METRICS[n].label} {number(row[n], METRICS[n].digits)}" for n in told)


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
