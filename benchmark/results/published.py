"""Numbers that others have printed: ``reference.csv``, read here alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

REFERENCE = Path(__file__).with_name("reference.csv")
MEASURED = {
    "ring": {"modes_covered": "modes", "high_quality_pct": "high quality (%)"},
    "grid": {"modes_covered": "modes", "high_quality_pct": "high quality (%)"},
    "stacked_mnist": {"smnist_modes": "modes", "smnist_kl": "KL (nats)"},
}
HEAD = ("networks", "first printed in", "samples", "note")


@cache
def published() -> pd.DataFrame:
    """All rows: dataset, method, metric, value and error, with source, place and networks. first:
    who printed it before, if source copied it. samples: that were counted, where stated.
    """
    return pd.read_csv(REFERENCE)


@cache
def comparable() -> dict[tuple[str, str, str], float]:
    """(dataset, method, metric) -> the published number that compares with ours."""
    rows = published().query("comparable == 'yes'")
    keys = zip(rows["dataset"], rows["method"], rows["metric"], strict=True)
    return dict(zip(keys, rows["value"], strict=True))


def lineage(dataset: str) -> str:
    """Markdown: a line per number of modes on a dataset, with its companion, as printed."""
    table = published().query("dataset == @dataset").drop_duplicates()
    keys = ["source", "place", "method", "networks", "first", "samples", "note"]
    lines = []
    for key, rows in table.groupby(keys, sort=False, dropna=False):
        entry = {k: "" if pd.isna(v) else str(v) for k, v in zip(keys, key, strict=True)}
        value = {m: f"{v:g}" for m, v in zip(rows["metric"], rows["value"], strict=True)}
        numbers = [value.get(m, "") for m in MEASURED[dataset]]
        where = f"{entry['source']}, {entry['place']}"
        samples = f"{float(entry['samples']):,.0f}" if entry["samples"] else ""
        words = [entry["networks"], entry["first"], samples, entry["note"]]
        lines.append(" | ".join([entry["method"], *numbers, where, *words]))
    head = ["method", *MEASURED[dataset].values(), "printed in", *HEAD]
    rule = "|".join("---" for _ in head)
    return "\n".join(["| " + " | ".join(head) + " |", f"|{rule}|", *(f"| {x} |" for x in lines)])
