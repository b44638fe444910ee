"""Learning curves as plain values, which the page's script draws: every seed, every metric.

Without each run's last evaluation, which uses more samples than those during training (and follows
the step at which a diverged run broke); that one is in the tables.
"""

from __future__ import annotations

import colorsys
import math
from typing import Any

import pandas as pd

from benchmark.artefacts import fig6
from benchmark.artefacts.drawing import style
from benchmark.core.errors import printable
from benchmark.results.names import key, role
from benchmark.results.summary import ordered
from benchmark.results.view import Results
from metrics import METRICS

DIGITS = 5  # significant ones: half a pixel needs three
DARKEST = 0.62  # lightness of a line on a dark page
DARK = {"#CC6677": "#F4857F", "#882255": "#D977D4", "#000000": "#F0F0F0"}  # else too alike there
FIRST = {fig6.DATASET: "data_iwae"}  # the metric a chart opens with, if not the first
# For datasets whose runs are variants of one method, which would all share its colour.
SERIES = ("#CC6677", "#332288", "#DDCC77", "#117733", "#88CCEE", "#882255", "#44AA99", "#888888")
BOUND = "7 4"
WIDE = 2.4  # pixels, of the methods in question
FAMILY = 3  # variants of a method from which on they get colours of their own


def of(results: Results, dataset: str) -> dict[str, Any] | None:
    """The curves of a dataset; None where there are none.

    metrics: id, label, log (whether the axis is). series: a method each, with id, name, color,
    dark (the same on a dark page), dash, width, runs (seeds), steps, seconds (by step, mean over
    seeds), and values: metric -> one list per seed, None where it has no finite value.
    """
    table = results.table
    table = table[table["dataset"] == dataset]
    if table.empty:
        return None
    last = table.groupby(["method", "seed"])["step"].transform("max")
    table = table[table["step"] < last]
    known = {name for name, metric in METRICS.items() if not metric.constant}
    names = sorted(known & set(table["metric"]), key=[FIRST.get(dataset), *METRICS].index)
    names += sorted(m for m in set(table["metric"]) - {*METRICS, "none", "nonfinite"})
    methods = [m for m in ordered(results.methods(dataset)) if m in set(table["method"])]
    looks = _looks(methods)
    series = [_series(table[table["method"] == m], m, names) | looks[m] for m in methods]
    drawn = [n for n in names if any(_drawable(s["values"].get(n)) for s in series)]
    series = [s for s in series if any(n in s["values"] for n in drawn)]
    if not drawn:
        return None
    for one in series:
        one["values"] = {n: v for n, v in one["values"].items() if n in drawn}
    labels = {n: METRICS[n].label if n in METRICS else printable(n) for n in drawn}
    log = {n for n in drawn if n in METRICS and METRICS[n].log}
    metrics = [{"id": n, "label": label, "log": n in log} for n, label in labels.items()]
    return {"metrics": metrics, "series": series}


def _drawable(seeds: list[list[float | None]] | None) -> bool:
    """Whether some seed has two points to connect."""
    return any(sum(v is not None for v in seed) > 1 for seed in seeds or [])


def _series(table: pd.DataFrame, method: str, names: list[str]) -> dict[str, Any]:
    steps, seeds = (sorted(set(table[c].astype(int))) for c in ("step", "seed"))
    column, row = ({v: i for i, v in enumerate(values)} for values in (steps, seeds))
    seconds = table.groupby("step")["seconds"].mean()
    values: dict[str, list[list[float | None]]] = {}
    for metric, seed, step, value in zip(
        *(table[c] for c in ("metric", "seed", "step", "value")), strict=True
    ):
        if metric in names:
            found = values.setdefault(metric, [[None] * len(steps) for _ in seeds])
            found[row[seed]][column[step]] = rounded(value)
    return {
        "id": method, "name": printable(style.name(method)), "runs": seeds, "steps": steps,
        "seconds": [rounded(seconds[s]) for s in steps], "values": values,
    }  # fmt: skip


def rounded(value: float) -> float | None:
    """A finite number with few digits; None otherwise, since JSON has neither NaN nor infinity."""
    value = float(value)
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def _looks(methods: list[str]) -> dict[str, dict[str, str]]:
    """Colours as in the figures."""
    looks, found = style.looks(methods), {}
    keys = [key(m) for m in methods]
    for i, method in enumerate(methods):
        alone = keys.count(key(method)) < FAMILY
        color = looks[method]["color"] if alone else SERIES[i % len(SERIES)]
        dashes = looks[method]["ls"] if alone else "-"
        dash = "" if dashes == "-" else " ".join(f"{2 * d:g}" for d in dashes[1])
        if method == "oracle":  # a bound, no competitor
            dash = BOUND
        wide = WIDE if alone and role(method) == "ours" else 1.5
        found[method] = {"color": color, "dark": lighter(color), "dash": dash, "width": wide}
    return found


def lighter(color: str) -> str:
    """A colour of the same hue that can be seen on a dark page."""
    if color in DARK:
        return DARK[color]
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    parts = colorsys.hls_to_rgb(hue, max(light, DARKEST), saturation)
    return "#" + "".join(f"{round(255 * p):02x}" for p in parts)
