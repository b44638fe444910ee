"""Claims about curves: drops, setbacks, averages, updates to a level, and infinite values."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from ledger import RELEASED, claim, verdict, write_run

from benchmark.report.claims import ledger
from benchmark.report.claims.curves import setbacks, updates_to
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.verdict import judge


def test_drops_and_averages_are_of_the_curve(tmp_path):
    for seed in range(3):  # the first and the last value are no part of the curve
        write_run(tmp_path, "lbt", seed, {"modes_covered": [0, 4, 3, 6, 4, 0]})
    folder = Evidence(tmp_path, "quick")
    # The first decrease, before any increase, is what an untrained generator loses.
    assert list(folder.sample("ring", "lbt", "modes_covered", "drops")) == [2, 2, 2]
    assert list(folder.sample("ring", "lbt", "modes_covered", "setbacks")) == [2 / 3] * 3
    steps = folder.results.curves("ring", "lbt", "modes_covered")["step"].unique()
    updates = folder.sample("ring", "lbt", "modes_covered", "updates", 4)
    assert list(updates) == [steps[3]] * 3  # lost once before
    assert list(folder.sample("ring", "lbt", "modes_covered", "updates", 7)) == [math.inf] * 3
    assert list(folder.sample("ring", "lbt", "modes_covered", "average")) == [4.25] * 3
    assert list(folder.sample("ring", "lbt", "intra_mode_kl", "final")) == []


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


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ([1, 5, 6, 7], 20),
        ([1, 5, 4, 5], 40),  # the first touch is lost again
        ([5, 5, 5, 5], 10),
        ([1, 9, 9, 4], math.inf),
        ([1, 9, math.nan, 9], 40),
    ],
)
def test_updates_count_until_the_level_is_kept(curve, expected):
    assert updates_to(pd.Series(curve, [10, 20, 30, 40], dtype=float), 5) == expected


def write_reaching(out: Path, label: str, reached: list[int | None]) -> None:
    """Runs that reach 8 modes at the given one of ten evaluations, and keep them; or never do."""
    for seed, at in enumerate(reached):
        values = [8 if at is not None and i >= at else 0 for i in range(12)]
        write_run(out, label, seed, {"modes_covered": values})


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([3, 3, 3], [3, 3, 3], ("inconclusive", "equal in every seed, as far as evaluations tell")),
        ([2, 2, 3], [5, 6, 6], ("supported", "")),
        ([5, 6, 6], [2, 2, 3], ("not supported", "")),
        ([2, 2, 3], [None] * 3, ("supported", "")),
        ([None] * 3, [2, 2, 3], ("not supported", "")),
        ([None] * 3, [None] * 3, ("inconclusive", "no interval, since a run counts as infinite")),
        ([2, 2, None], [9, 9, 9], ("inconclusive", "no interval, since a run counts as infinite")),
        ([2, 2, 3], [9, None, 9],
         ("supported", "1 of 3 runs of gan count as its worst finite one")),
        # Counted as 2, which is too good to refute with.
        ([9, 9, 9], [2, None, 2],
         ("inconclusive", "no interval, since a run counts as infinite")),
    ],
)  # fmt: skip
def test_runs_that_never_get_there_decide_by_sign(tmp_path, ours, theirs, expected):
    write_reaching(tmp_path, "lbt", ours)
    write_reaching(tmp_path, "gan", theirs)
    rule = claim("better", method="lbt", than=["gan"], statistic="updates", level=8)
    assert verdict(rule, tmp_path) == expected
    assert "nan" not in ledger.render([judge(rule, [Evidence(tmp_path, "quick")])])


@pytest.mark.parametrize("kind", ["no_better", "alike"])
def test_an_infinite_rival_is_not_taken_as_better_where_that_helps_the_claim(tmp_path, kind):
    write_reaching(tmp_path, "lbt", [5, 5, 5])
    write_reaching(tmp_path, "gan", [5, None, 5])
    rule = claim(kind, method="lbt", than=["gan"], statistic="updates", level=8, margin=1e9)
    assert verdict(rule, tmp_path)[0] == "inconclusive"


def test_modes_that_only_fall_do_not_increase_consistently(tmp_path):
    rule = claim("at_most", methods=["lbt"], statistic="setbacks", value=0.1)
    for seed, curve in enumerate([[8, 8, 4, 2, 0, 0], [8, 6, 6, 4, 2, 0], [8, 8, 8, 6, 2, 2]]):
        write_run(tmp_path, "lbt", seed, {"modes_covered": curve})
    assert verdict(rule, tmp_path)[0] == "not supported"


def test_a_run_that_broke_early_does_not_shorten_the_curves_of_others(tmp_path):
    values = [0, 2, 4, 6, 8, 8]
    for seed in range(2):
        write_run(tmp_path, "lbt", seed, {"modes_covered": values})
    write_run(
        tmp_path, "lbt", 2, {"modes_covered": [0, 2, 0]}, status="diverged",
        steps=2 * RELEASED.iterations // 5,
    )  # fmt: skip
    evidence = Evidence(tmp_path, "quick")
    reached = evidence.sample("ring", "lbt", "modes_covered", "updates", 4)
    assert reached.tolist() == [2 * RELEASED.iterations // 5] * 2 + [math.inf]
    assert evidence.sample("ring", "lbt", "modes_covered", "average").tolist() == [5, 5, 0]
