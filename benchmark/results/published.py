"""Numbers that others have printed: ``reference.csv``, read here alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

REFERENCE = Path(__file__).with_name("reference.csv")


@cache
def published() -> pd.DataFrame:
    """All rows: dataset, method, metric, value and error, with source, place and networks."""
    return pd.read_csv(REFERENCE)


@cache
def comparable() -> dict[tuple[str, str, str], float]:
    """(dataset, method, metric) -> the published number that compares with ours."""
    rows = published().query("comparable == 'yes'")
    keys = zip(rows["dataset"], rows["method"], rows["metric"], strict=True)
    return dict(zip(keys, rows["value"], strict=True))
