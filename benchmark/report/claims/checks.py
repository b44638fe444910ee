"""Rules over a figure's table: numbers that were computed, not trained."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from benchmark.core.errors import UserError
from benchmark.core.schema import Strict
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.finding import Finding


class Check(Strict):
    """Of a table's rows that have these values: a column near, at least, at most or above a value,
    in every row or in some; or how many rows there are.
    """

    where: dict[str, Any]
    column: str = ""
    near: float | None = None
    within: float = 0.0
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    some: bool = False
    count: int | None = None

    def finding(self, table: pd.DataFrame) -> Finding:
        """What the table says. Exact numbers: no interval, no p."""
        rows = table
        for column, value in self.where.items():
            rows = rows[rows[column] == value] if column in rows else rows.iloc[:0]
        place = ", ".join(f"{v}" if isinstance(v, str) else f"{k} {v}" for k, v in
                          self.where.items())  # fmt: skip
        if self.count is not None:
            outcome = "holds" if len(rows) == self.count else "fails"
            return Finding(f"{place}: {self.count} rows", outcome, estimate=len(rows), n=len(rows))
        low = self.near - self.within if self.near is not None else self.at_least
        high = self.near + self.within if self.near is not None else self.at_most
        words = f"{self.near:g} +- {self.within:g}" if self.near is not None else ""
        if self.above is not None:
            low, words = math.nextafter(self.above, math.inf), f"above {self.above:g}"
        words = words or (f"at least {low:g}" if low is not None else f"at most {high:g}")
        name = f"{place}: {self.column} {words}"
        if rows.empty or self.column not in rows:
            return Finding(name, "missing", f"no rows of {place}")
        values = rows[self.column].to_numpy(dtype=float)
        low, high = (-math.inf if low is None else low), (math.inf if high is None else high)
        good = (values >= low) & (values <= high)
        # The value that decides: the worst of all, or the best of some.
        distance = np.maximum(low - values, values - high)
        shown = values[distance.argmin() if self.some else distance.argmax()]
        outcome = "holds" if (good.any() if self.some else good.all()) else "fails"
        return Finding(name, outcome, estimate=float(shown), n=len(values))


class Figure(Strict):
    """Numbers of a figure's table that were computed, not trained."""

    kind: Literal["figure"]
    file: str
    checks: tuple[Check, ...] = Field(min_length=1)

    def findings(self, evidence: Evidence) -> list[Finding]:
        """One per check."""
        path = evidence.results.figures / self.file
        if not path.is_file():
            return [Finding(self.file, "missing", f"no figures/{self.file}")]
        try:
            table = pd.read_csv(path)
            return [check.finding(table) for check in self.checks]
        except ValueError:  # no table, or text in place of numbers
            artefact = path.stem.partition("_")[0]
            raise UserError(
                f"{path}: damaged; --report --reproduce {artefact} redraws it"
            ) from None
