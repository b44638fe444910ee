"""Claims about curves: what is lost, where they end, when they get somewhere."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ledger import FRESH, LEARNED, RELEASED, claim, verdict, write_run

from benchmark.report.claims import ledger
from benchmark.report.claims.curves import CONCENTRATION, first_at, setbacks, thirds
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.verdict import judge


def test_what_is_counted_of_a_curve(tmp_path):
    for seed in range(3):  # the first and the last value are no part of the curve
        curves = {"modes_covered": [0, 4, 3, 6, 4, 0], "intra_mode_kl": [9, 4, 1, 1, 4, 9]}
        write_run(tmp_path, "lbt", seed, curves | {"intra_mode_kl_reverse": [9, 2, 2, 2, 2, 9]})
    folder = Evidence(tmp_path, "quick")
    # The first decrease, before any increase, is what an untrained generator loses.
    assert list(folder.sample("ring", "lbt", "modes_covered", "drops")) == [2, 2, 2]
    assert list(folder.sample("ring", "lbt", "modes_covered", "setbacks")) == [2 / 3] * 3
    # Of a divergence: by its logarithm, and what rises is lost.
    assert list(folder.sample("ring", "lbt", "intra_mode_kl", "drops")) == [math.log(4)] * 3
    assert list(folder.sample("ring", "lbt", "intra_mode_kl", "late")) == pytest.approx([4] * 3)
    assert list(folder.sample("ring", "lbt", CONCENTRATION, "late")) == pytest.approx([2] * 3)
    steps = folder.results.curves("ring", "lbt", "modes_covered")["step"].unique()
    assert list(folder.reached("ring", "lbt", "modes_covered", 4)) == [steps[1]] * 3
    assert list(folder.reached("ring", "lbt", "intra_mode_kl", 1)) == [steps[2]] * 3
    assert list(folder.reached("ring", "lbt", "modes_covered", 7)) == [math.inf] * 3
    assert list(folder.sample("ring", "lbt", "modes_covered", "late")) == [4] * 3
    assert list(folder.sample("ring", "lbt", "sliced_w2", "final")) == []


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ([8, 8, 8], 0),
        ([0, 0, 0], math.inf),
        ([8, 4, 0], 1),
        ([2, 8, 8], 0),
        ([4, 8, 6], 0.5),
    ],
)
def test_setbacks(curve, expected):
    assert setbacks(pd.Series(curve, dtype=float)) == expected


def test_thirds_are_of_equal_length_at_the_end():
    assert thirds(pd.Series([9.0, 9, 1, 3, 5, 7])) == (2, 6)
    assert thirds(pd.Series([9.0, 9, 9, 9, 1, 3, 5, 7])) == (2, 6)
    assert np.isnan(thirds(pd.Series([1.0, 2]))).all()


@pytest.mark.parametrize(
    ("curve", "expected"),
    [([1, 5, 4, 5], 20), ([5, 5, 5, 5], 10), ([1, 2, 3, 4], math.inf), ([1, math.nan, 9, 9], 30)],
)
def test_the_first_place_at_a_level(curve, expected):
    assert first_at(pd.Series(curve, [10, 20, 30, 40], dtype=float), 5) == expected


def write_reaching(out: Path, label: str, reached: list[int | None]) -> None:
    """Runs that reach -2 nats at the given one of ten evaluations; or never do."""
    for seed, at in enumerate(reached, FRESH):
        values = [-2 if at is not None and i >= at else -9 for i in range(12)]
        write_run(out, label, seed, {"data_iwae": values})


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([3, 3, 3], [3, 3, 3], "undecided"),
        ([2, 2, 3], [5, 6, 6], "supported"),
        ([5, 6, 6], [2, 2, 3], "refuted"),
        ([2, 2, 3], [None] * 3, "supported"),
        ([None] * 3, [2, 2, 3], "refuted"),
        ([None] * 3, [None] * 3, "undecided"),
        ([2, 2, None], [9, 9, 9], "undecided"),
        ([2, 2, 3, 3, None], [None] * 5, "supported"),
        ([2, 2], [9, 9], "undecided"),
    ],
)
def test_a_target_that_some_never_reach(tmp_path, ours, theirs, expected):
    write_reaching(tmp_path, "lbt", ours)
    write_reaching(tmp_path, "lbt[K=1]", theirs)
    rule = claim("sooner", methods=["lbt[K=1]", "lbt"], metric="data_iwae")
    judged = judge(rule, [Evidence(tmp_path, "quick")])
    assert judged.verdict == expected, judged.reason
    assert "nan" not in ledger.render([judged])


def test_modes_that_only_fall_do_not_increase_consistently(tmp_path):
    rule = claim("at_most", methods=["lbt"], statistic="setbacks", value=0.1)
    curves = [[8, 8, 4, 2, 0, 0], [8, 6, 6, 4, 2, 0], [8, 8, 8, 6, 2, 2]]
    for seed, curve in enumerate(curves, FRESH):
        modes = [*curve, *[curve[-1]] * 4]
        write_run(tmp_path, "lbt", seed, {"modes_covered": modes} | LEARNED)
    assert verdict(rule, tmp_path)[0] == "refuted"


def test_a_run_that_broke_early_does_not_shorten_the_curves_of_others(tmp_path):
    values = [0, 2, 4, 6, 8, 8]
    for seed in range(2):
        write_run(tmp_path, "lbt", seed, {"modes_covered": values})
    write_run(
        tmp_path, "lbt", 2, {"modes_covered": [0, 2, 0]}, status="diverged",
        steps=2 * RELEASED.iterations // 5,
    )  # fmt: skip
    evidence = Evidence(tmp_path, "quick")
    reached = evidence.reached("ring", "lbt", "modes_covered", 4)
    assert reached.tolist() == [2 * RELEASED.iterations // 5] * 2 + [math.inf]
    assert evidence.sample("ring", "lbt", "modes_covered", "late").tolist() == [8, 8, 0]
