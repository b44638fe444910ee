"""The rules on synthetic curves: what rises, stays, collapses late, oscillates, never learns."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ledger import FRESH, LEARNED, claim, flat, verdict, write_run

from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.frozen import FROZEN
from benchmark.report.claims.verdict import judge
from benchmark.results.view import Results

T = np.linspace(1, 24, 24) / 24  # evaluations of a run, in its length
REPEATS = 200
CURVES = {  # quality in percent over the length of a run
    "high": lambda t: 92 * (1 - np.exp(-t / 0.03)),
    "low": lambda t: 65 * (1 - np.exp(-t / 0.03)),
    "rising": lambda t: 40 + 45 * t,
    "collapsing late": lambda t: np.where(t < 0.7, 92, 10),
    "never": lambda t: 25 + 0 * t,
}


class Simulated(Results):
    """Runs that are a table, of fresh seeds with the settings that are asked for."""

    def __init__(self, curves: dict[str, np.ndarray]) -> None:
        """curves: method -> (seeds, evaluations) of quality."""
        super().__init__(Path(), "simulated")
        parts = []
        for method, values in curves.items():
            steps = np.append(T, T[-1]) * 24_000
            steps[-1] += 1  # the last evaluation is of the end, with more samples
            for seed, run in enumerate(values, FRESH):
                values_ = np.append(run, run[-1])
                parts.append(
                    pd.DataFrame({"method": method, "seed": seed, "step": steps, "value": values_})
                )
        constant = {"dataset": "ring", "metric": "high_quality_pct", "status": "complete"}
        self.table = pd.concat(parts).assign(seconds=0.0, train_seconds=1.0, **constant)

    def record(self, dataset: str, method: str) -> dict[str, Any]:
        return {"settings": {}, "budget": {"iterations": 24_000, "batch": 512, "evaluations": 24}}

    def records(self, dataset: str, methods=()) -> list[dict[str, Any]]:
        return []

    def data(self, dataset: str) -> str:
        return dataset

    def missed(self, dataset: str, method: str) -> int:
        return 0


def runs(rng, curve, seeds=5, between=2.0, within=3.0) -> np.ndarray:
    """Noise between seeds, and between the evaluations of one."""
    level = rng.normal(0, between, (seeds, 1))
    return np.clip(curve(T) + level + rng.normal(0, within, (seeds, len(T))), 0, 100)


def of(rule, **methods: np.ndarray) -> str:
    return judge(rule, [Evidence(Path(), "simulated", Simulated(methods))]).verdict


def bound(value: float):
    rule = {"methods": ["lbt"], "metric": "high_quality_pct", "statistic": "late", "value": value}
    return claim("at_least", ours=True, **rule)


LEAD = claim("better", ours=True, method="lbt", than=["gan"], metric="high_quality_pct",
             statistic="late")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("high", "supported"),
        ("low", "refuted"),
        ("rising", "fails so far"),  # at 78 of 80 in the mean of the last third
        ("collapsing late", "fails so far"),
        ("never", "undecided"),
    ],
)
def test_a_bound_on_each_kind_of_curve(name, expected):
    assert of(bound(80), lbt=runs(np.random.default_rng(0), CURVES[name])) == expected


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ("high", "low", "supported"),
        ("low", "high", "refuted"),
        ("high", "rising", "holds so far"),
        ("rising", "high", "fails so far"),
        ("rising", "low", "holds so far"),  # it learned late: a third of the length is not enough
        ("high", "collapsing late", "holds so far"),
        ("high", "never", "undecided"),
    ],
)
def test_an_order_of_each_kind_of_curve(ours, theirs, expected):
    rng = np.random.default_rng(0)
    assert of(LEAD, lbt=runs(rng, CURVES[ours]), gan=runs(rng, CURVES[theirs])) == expected


def test_a_rival_that_oscillates_without_end_can_be_beaten():
    rng = np.random.default_rng(0)
    found = Counter(
        of(LEAD, lbt=runs(rng, CURVES["high"]), gan=runs(rng, CURVES["low"], within=20))
        for _ in range(50)
    )
    assert found["supported"] > 25 and not found["refuted"], found


def test_methods_that_do_not_differ_are_rarely_told_apart():
    """At most the 5 % of the interval; 3 standard errors of that many repeats besides."""
    rng = np.random.default_rng(1)
    found = Counter(
        of(LEAD, lbt=runs(rng, CURVES["low"]), gan=runs(rng, CURVES["low"])) for _ in range(REPEATS)
    )
    wrong = (found["supported"] + found["refuted"]) / REPEATS
    assert wrong <= 0.05 + 3 * (0.05 * 0.95 / REPEATS) ** 0.5, found


def test_a_slow_method_is_not_refuted_before_its_time():
    """It ends at 92 and its rival at 65, after 0.1 to 3 lengths of a run: the interval alone would
    refute the lead in a third of the cases or more.
    """
    rng = np.random.default_rng(2)
    found, early = Counter(), 0
    for _ in range(REPEATS):
        pace = np.exp(rng.uniform(np.log(0.1), np.log(3)))
        slow = runs(rng, lambda t, pace=pace: 92 * (1 - np.exp(-t / pace)))
        rival = runs(rng, CURVES["low"])
        verdict_ = of(LEAD, lbt=slow, gan=rival)
        found[verdict_] += 1
        early += bool(slow[:, -8:].mean(axis=1).max() < rival[:, -8:].mean(axis=1).min())
    assert early > REPEATS / 3
    assert found["refuted"] <= 0.01 * REPEATS and found["supported"] > 0.1 * REPEATS, found


def test_too_few_evaluations_settle_nothing(tmp_path):
    for seed in range(5, 8):
        write_run(tmp_path, "lbt", seed, LEARNED | {"modes_covered": [0, 8, 8, 8, 8]})
    found, reason = verdict(claim("at_least", methods=["lbt"], value=8), tmp_path)
    assert found == "holds so far" and "too few evaluations" in reason


def test_whom_a_claim_says_to_fail_needs_not_learn_but_as_long_as_the_others(tmp_path):
    curves = {"modes_covered": flat(2), "high_quality_pct": flat(25)}
    rule = {"kind": "better", "method": "lbt", "than": ["gan"]}
    for seed in range(5, 8):
        write_run(tmp_path, "lbt", seed, LEARNED | {"modes_covered": flat(8)})
        write_run(tmp_path, "gan", seed, curves, share=0.1)
    assert verdict(claim(**rule), tmp_path)[0] == "undecided"
    found, reason = verdict(claim(**rule, fails=["gan"]), tmp_path)
    assert found == "holds so far" and "gan ran for 100,000 updates of 333,333" in reason
    for seed in range(5, 8):
        write_run(tmp_path, "lsgan", seed, curves)
    assert verdict(claim(**rule | {"than": ["lsgan"]}, fails=["lsgan"]), tmp_path)[0] == "supported"


def test_what_was_not_measured_is_not_known_to_have_been_learned(tmp_path):
    where = {"dataset": "stacked_mnist", "metric": "smnist_modes"}
    for seed in range(5, 8):
        write_run(tmp_path, "lbt_gan", seed, {"smnist_modes": flat(995)}, dataset="stacked_mnist")
        write_run(tmp_path, "gan", seed, {"smnist_modes": flat(4)}, dataset="stacked_mnist")
    found, reason = verdict(claim("at_least", methods=["lbt_gan"], value=990, **where), tmp_path)
    assert (
        found == "holds so far" and "certain modes of 1,000 of lbt_gan was not measured" in reason
    )
    found, reason = verdict(claim("better", method="lbt_gan", than=["gan"], **where), tmp_path)
    assert found == "undecided" and "gan has not learned" in reason


def test_the_frozen_numbers_are_those_that_the_document_states():
    text = (Path(__file__).parent.parent / "docs" / "CLAIMS.md").read_text()
    words = " ".join(text.split())
    assert f"Rules, version {FROZEN.version}" in words
    assert f"{FROZEN.settled:.0%}".replace("%", " %") + " interval" in words
    assert f"{FROZEN.learned_likelihood['ring']['data_iwae']} nats on the ring" in words
    assert f"{FROZEN.margins['high_quality_pct']:g} points of quality" in words
    assert f"seeds {FROZEN.confirms_from} and up" in words
