"""The frozen numbers of the rules, read from ``rules.yaml``; docs/CLAIMS.md says what they do."""

from __future__ import annotations

import math
from pathlib import Path

from benchmark.core import strict_yaml
from benchmark.core.schema import Strict, at_line, read, validated
from benchmark.report.claims.curves import DIVERGENCES

SOURCE = Path(__file__).with_name("rules.yaml")


class Frozen(Strict):
    """The file. learned: data -> metric -> what a run that learned has once reached."""

    version: int
    date: str
    interval: float
    least_seeds: int
    confirms_from: int
    least_evaluations: int
    factor: float
    settled: float
    share: float
    margins: dict[str, float | dict[str, float]]
    relative_margin: float
    learned: dict[str, dict[str, float]]
    learned_likelihood: dict[str, dict[str, float]]

    def guards(self, data: str, metric: str) -> dict[str, float]:
        """The metrics and values that tell whether a run learned, for claims on a metric; none
        where nothing is asked of runs on this data.
        """
        if metric in self.learned_likelihood.get(data, {}):
            return {metric: self.learned_likelihood[data][metric]}
        return self.learned.get(data, {})

    def margin(self, data: str, metric: str) -> float:
        """What a bound lets pass in any case, as a difference of logarithms for a divergence."""
        if metric in DIVERGENCES:
            return math.log1p(self.relative_margin)
        found = self.margins.get(metric, 0.0)
        return found.get(data, 0.0) if isinstance(found, dict) else found


def load(path: Path = SOURCE) -> Frozen:
    """The numbers of a file. Raises UserError on a malformed one."""
    text = read(path)
    values = strict_yaml.load(text, path.name)
    return validated(Frozen, values, lambda place: path.name + at_line(text, [place]))


FROZEN = load()
