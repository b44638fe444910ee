"""What a rule over runs compares: a number of every run, and in what words."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from benchmark.core.schema import Strict
from benchmark.experiments.labels import parse_label
from benchmark.report.claims.curves import LOSSES, MEASURED
from benchmark.report.claims.evidence import Evidence, Statistic
from benchmark.results.scale import clocks


class OverRuns(Strict):
    """What every rule over runs has. fails: the methods that the claim says to fail, which need
    not have learned.
    """

    dataset: str
    metric: str = ""
    statistic: Statistic = "final"
    fails: tuple[str, ...] = ()

    def direction(self) -> int:
        """1 where more is better, else -1."""
        if self.statistic in (*LOSSES, "seconds"):
            return -1
        return 1 if MEASURED[self.metric].higher_is_better else -1

    def quantity(self) -> str:
        """What is compared, in words."""
        label = MEASURED[self.metric].label if self.metric else ""
        return {
            "final": label,
            "late": f"{label}, last third of training",
            "drops": f"{label}, lost during training",
            "setbacks": f"{label}, lost per gained during training",
            "seconds": "seconds per update",
        }[self.statistic]

    def asked(self) -> set[str]:
        """Settings that the claim itself names, in the brackets of its methods."""
        return {key for method in self.named() for key in parse_label(method).settings}

    def untimed(self, evidence: Evidence, labels: Iterable[str]) -> str:
        """Why seconds of these runs do not compare; nothing where they do, or none are compared."""
        if self.statistic != "seconds":
            return ""
        timed = clocks(evidence.results, self.dataset, labels)
        if len(timed) > 1:
            return f"timed under unlike conditions: {' and '.join(timed)}"
        records = evidence.results.records(self.dataset, labels)
        if any(record.get("stacked", 1) > 1 for record in records):
            return "the seconds of seeds that were trained as one program are one reading"
        if any(record.get("shared") for record in records):
            return "timed beside other programs"
        return ""

    def sample(self, evidence: Evidence, method: str) -> tuple[str, pd.Series] | None:
        """The label and the number of every run; None where there are none."""
        label = evidence.find(self.dataset, method)
        if label is None:
            return None
        found = evidence.sample(self.dataset, label, self.metric, self.statistic)
        return (label, found) if len(found := found.dropna()) else None
