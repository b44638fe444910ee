"""What a page opens with: who came first on each dataset, in a sentence, and a table of all."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from benchmark.artefacts.drawing import style
from benchmark.report.page.grids import Grid, final, number
from benchmark.results.names import role
from benchmark.results.tables import headlines
from benchmark.results.view import Results

TOLD = 2  # metrics that the sentence names


class Opening(NamedTuple):
    """words: of one dataset's comparison. table: its methods, the best first."""

    words: str
    table: Grid | None


def of(results: Results, dataset: str) -> Opening:
    """The opening of a dataset that has runs."""
    part = results.summary[results.summary["dataset"] == dataset]
    order = ranked(part)
    return Opening(sentence(part, order), final(results, dataset, order))


def ranked(part: pd.DataFrame) -> list[str]:
    """The methods of one dataset's summary, by their headline metrics in turn; those of which
    fewer runs are missed, before all.
    """
    shown = headlines(part)
    wide = part.pivot(index="method", columns="metric", values="mean")

    def place(method: str) -> tuple:
        rows = part[part["method"] == method].iloc[0]
        values = (wide.loc[method, name] for name in shown)
        signs = (-1 if metric.higher_is_better else 1 for metric in shown.values())
        worth = (s * v if v == v else float("inf") for s, v in zip(signs, values, strict=True))
        return (rows["missed"] / rows["n"], *worth)

    return sorted(dict.fromkeys(part["method"]), key=place)


def sentence(part: pd.DataFrame, order: list[str]) -> str:
    """``GAN comes first: 8.0 modes covered, 93.7 high quality (%); then LSGAN (7.1, 60.2).``, of
    the methods that compete; whether the intervals of both overlap in what decides.
    """
    rivals = [method for method in order if role(method) != "reference"]
    told = dict(list(headlines(part).items())[:TOLD])
    by = part.set_index(["method", "metric"])

    def values(method: str, labels: bool = False) -> str:
        found = ((by.loc[(method, name), "mean"], metric) for name, metric in told.items())
        return ", ".join(
            f"{metric.label} {number(v, metric.digits)}" if labels else number(v, metric.digits)
            for v, metric in found
        )

    if not rivals or not told:
        return ""
    if len(rivals) == 1:
        return f"{style.name(rivals[0])}, compared with no other method: {values(rivals[0], True)}."
    first, second = rivals[:2]
    words = f"{style.name(first)} comes first ({values(first, True)}), then "
    words += f"{style.name(second)} ({values(second)})"
    name = next((n for n in told if by.loc[(first, n), "mean"] != by.loc[(second, n), "mean"]), "")
    ends = [by.loc[(m, name)] for m in (first, second)] if name else []
    if any(end["low"] != end["low"] for end in ends):
        return f"{words}; a single seed says nothing of chance."
    if not ends or max(e["low"] for e in ends) <= min(e["high"] for e in ends):
        return f"{words}; their intervals overlap."
    return f"{words}; their 95 % intervals of {told[name].label} do not overlap."
