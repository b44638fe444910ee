"""Tables of the page: numbers formatted, aligned by kind, intervals in a column of their own."""

from __future__ import annotations

import math
from numbers import Real
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from benchmark.artefacts.drawing import style
from benchmark.data import DATASETS
from benchmark.results.equal_time import MEASURED
from metrics import METRICS, Metric

Kind = Literal["text", "number", "estimate"]
SHORT = 14  # rows: longer tables are folded
PAPERS = "lbt"  # table1.csv's word for the paper's own networks
UNITS = {"smnist_modes": ("modes", 1), "smnist_kl": ("kl", 2)}  # metric -> table1.csv, digits


class Column(NamedTuple):
    """A heading, and how its cells are set. An estimate spans two columns: value and interval."""

    label: str
    kind: Kind = "number"


class Cell(NamedTuple):
    """Text, and the interval of an estimate."""

    text: str
    interval: str = ""


class Grid(NamedTuple):
    """A table. caption: a sentence. long: whether the page shows it folded."""

    caption: str
    columns: list[Column]
    rows: list[list[Cell]]

    @property
    def long(self) -> bool:
        """Whether it would push everything else out of sight."""
        return len(self.rows) > SHORT


def number(value: object, digits: int | None = None) -> str:
    """A number with a minus sign and an infinity; four significant digits unless told otherwise;
    nothing for NaN; any other value as its text.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return {True: "yes", False: "no", None: ""}.get(value, str(value))
    value = float(value)
    if math.isnan(value):
        return ""
    if math.isinf(value):
        text = "\N{INFINITY}" if value > 0 else "-\N{INFINITY}"
    elif digits is not None:
        text = f"{value:,.{digits}f}"
    else:
        text = f"{value:,.0f}" if value.is_integer() and abs(value) < 1e9 else f"{value:.4g}"
    return text.replace("-", "\N{MINUS SIGN}")


def interval(low: float, high: float, digits: int | None = None) -> str:
    """``[low, high]``; nothing where there is none."""
    missing = any(pd.isna(end) for end in (low, high))
    return "" if missing else f"[{number(low, digits)}, {number(high, digits)}]"


def equal_time(table: pd.DataFrame, dataset: str) -> list[Grid]:
    """Every method at equal training time, a table for each of ``equal_time``'s times; none where
    nothing was measured.
    """
    part = table[table["dataset"] == dataset]
    shown = {n: m for n, m in METRICS.items() if m.headline and n in set(part["metric"])}
    part = part[part["metric"].isin(shown)]
    return [_at_equal_time(found, shown) for _, found in part.groupby("clock", sort=False)]


def _at_equal_time(part: pd.DataFrame, shown: dict[str, Metric]) -> Grid:
    columns = [Column("method", "text"), *(Column(m.label, "estimate") for m in shown.values())]
    columns += [Column(c) for c in ("seeds", "updates", "measured at (s)", "whole run (s)")]
    rows = []
    for method, found in part.groupby("method", sort=False):
        by, first = found.set_index("metric"), found.iloc[0]
        cells = [Cell(style.name(method))]
        for name, metric in shown.items():
            row = by.loc[name] if name in by.index else {"mean": math.nan, "low": None}
            low, high = (row.get(k, math.nan) for k in ("low", "high"))
            cells.append(Cell(number(row["mean"], metric.digits) or "\N{EN DASH}",
                              interval(low, high, metric.digits)))  # fmt: skip
        missed = f" ({first['missed']} missed)" if first["missed"] else ""
        cells += [Cell(f"{first['n']}{missed}"), Cell(number(int(found["steps"].max())))]
        at, total = (number(first[c], 1) for c in ("at", "total"))
        rows.append([*cells, Cell(at or "\N{EN DASH}"), Cell(total)])
    return Grid(_equal_words(part), columns, rows)


def _equal_words(part: pd.DataFrame) -> str:
    """Which time it is, and why a method has no value at it."""
    first = part.drop_duplicates("method")
    clock, seconds = first.iloc[0][["clock", "seconds"]]
    if clock == MEASURED:
        words = (
            f"After {number(seconds, 1)} s, the first time by which every method had been "
            "measured. One whose whole run is shorter had ended, with less time than it was "
            "allowed. At the time of the slowest all have ended: the table at the end of training."
        )
    else:
        words = (
            f"After {number(seconds, 1)} s of training, the time that the quickest competitor "
            "needed for all its updates."
        )
    late = first[first["first"] > seconds]
    if len(late):
        named = (f"{style.name(m)} after {number(s, 1)} s"
                 for m, s in zip(late["method"], late["first"], strict=True))  # fmt: skip
        words += f" A dash: the first evaluation after an update comes later ({', '.join(named)})."
    if part["missed"].any():
        words += " A run that diverged within the time counts with the metric's worst value."
    return words


def table1(path: Path) -> list[Grid]:
    """``table1.csv`` as two tables: ours, with the paper's numbers beside, and all published."""
    table = pd.read_csv(path)
    ours, theirs = table[table["source"] == "ours"], table[table["source"] != "ours"]
    paper = theirs[theirs["source"].str.startswith("LBT paper")]
    head = [Column("method", "text"), Column("networks", "text")]
    for metric in UNITS:
        head += [Column(METRICS[metric].label, "estimate"), Column("paper", "text")]
    head += [Column("seeds"), Column("updates"), Column("s/run")]
    several = ours["note"].notna().any()
    head += [Column("dataset", "text")] if several else []
    rows = []
    for _, row in ours.iterrows():
        same = paper[paper["method"].str.removesuffix(" (ours)") == row["method"]]
        cells = [Cell(number(row["method"])), Cell(number(row["networks"]))]
        for name, digits in UNITS.values():
            cells += [_estimate(row, name, digits), Cell(_theirs(same, name))]
        missed = f" ({row['missed']:.0f} missed)" if row["missed"] > 0 else ""
        cells += [Cell(number(row["n"]) + missed), Cell(number(row["updates"]))]
        cells.append(Cell(number(row["seconds"], 0)))
        rows.append(cells + ([Cell(number(row["note"]))] if several else []))
    mean = (
        "Mean [95 % interval over seeds]; the paper's on its own networks unless others are named."
    )
    head2 = [Column("source", "text"), Column("method", "text"), Column("networks", "text")]
    head2 += [Column(METRICS[metric].label, "estimate") for metric in UNITS]
    rows2 = [
        [*(Cell(number(row[c])) for c in ("source", "method", "networks")),
         *(_estimate(row, name, digits) for name, digits in UNITS.values()),
         Cell(number(row["note"]))]
        for _, row in theirs.iterrows()
    ]  # fmt: skip
    published = "All published numbers, as stated: [value minus error, value plus error]."
    found = [Grid(mean, head, rows), Grid(published, [*head2, Column("note", "text")], rows2)]
    return [grid for grid in found if grid.rows]


def _estimate(row: pd.Series, name: str, digits: int) -> Cell:
    return Cell(
        number(row[name], digits), interval(row[f"{name}_low"], row[f"{name}_high"], digits)
    )


def _theirs(rows: pd.DataFrame, name: str) -> str:
    found = []
    for _, row in rows.iterrows():
        networks = "" if row["networks"] == PAPERS else f" ({row['networks']})"
        found += [number(row[name]) + networks] if row[name] == row[name] else []
    return ", ".join(found)


def any_csv(path: Path) -> Grid:
    """A table of unknown columns; ``x``, ``x_low``, ``x_high`` become one estimate."""
    table = pd.read_csv(path)
    names = [str(c) for c in table.columns]
    ends = {n: _ends(n, names) for n in names}
    inside = {end for pair in ends.values() if pair for end in pair}
    columns, cells = [], []
    for name in (n for n in names if n not in inside):
        numeric = pd.api.types.is_numeric_dtype(table[name])
        flag = pd.api.types.is_bool_dtype(table[name])
        kind = "estimate" if ends[name] else "number" if numeric and not flag else "text"
        columns.append(Column(name.replace("_", " "), kind))
        low, high = (table[e] for e in ends[name]) if ends[name] else ([math.nan] * len(table),) * 2
        values = table[name].tolist()
        cells.append([Cell(number(v), interval(a, b)) for v, a, b in
                      zip(values, low, high, strict=True)])  # fmt: skip
    return Grid(path.name, columns, [list(row) for row in zip(*cells, strict=True)])


def _ends(name: str, names: list[str]) -> tuple[str, str] | None:
    """The columns of an estimate's interval, as this project's tables name them."""
    for low, high in ((f"{name}_low", f"{name}_high"), ("low", "high")):
        if {low, high} <= set(names) and name not in ("low", "high") and (
            low != "low" or name == "mean"
        ):  # fmt: skip
            return low, high
    return None


def is_table1(path: Path) -> bool:
    """Whether a file has the columns of Table 1 (``artefacts.table1``)."""
    stacked = (name for name, entry in DATASETS.items() if entry.family == "stacks")
    return path.stem in ("table1", *(f"table1_{s.removeprefix('stacked_')}" for s in stacked))
