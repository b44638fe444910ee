"""The rules that decide claims: bounds, orders, likeness, curves and infinite values."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from ledger import RELEASED, claim, verdict, write_finals, write_run

from benchmark.report.claims import ledger
from benchmark.report.claims.curves import setbacks, updates_to
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.verdict import judge
from benchmark.results.scale import clocks
from benchmark.results.view import Results


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([8, 8, 8], ("supported", "")),
        ([8, 8, 7], ("inconclusive", "interval too wide")),
        ([5, 5, 5], ("not supported", "")),
        ([8, 8], ("inconclusive", "too few seeds (2; 3 needed)")),
        ([], ("not run", "no runs of lbt on ring")),
    ],
)
def test_a_bound(tmp_path, values, expected):
    write_finals(tmp_path, "gan", [1])
    write_finals(tmp_path, "lbt", values)
    assert verdict(claim("at_least", methods=["lbt"], value=8), tmp_path) == expected


def test_a_bound_that_a_blob_meets_needs_quality_besides(tmp_path):
    rule = claim("at_least", methods=["lbt"], value=8, besides={"high_quality_pct": 50})
    for seed in range(3):
        curves = {"modes_covered": [8, 8], "high_quality_pct": [26, 90]}
        write_run(tmp_path, "lbt", seed, curves, preset="quick")
        write_run(
            tmp_path,
            "lbt",
            seed,
            curves | {"high_quality_pct": [26, 26]},
            preset="ring-authors-batch",
        )
    judged = judge(rule, [Evidence(tmp_path, "quick")])
    assert judged.verdict == "supported" and judged.deciding.estimate == 8
    found, reason = verdict(rule, tmp_path, "ring")
    assert found == "inconclusive" and "high quality (%), lbt at least 50 fails" in reason


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [("near", 10, "supported"), ("near", 20, "not supported"), ("at_most", 12, "supported")],
)
def test_near_and_at_most(tmp_path, kind, value, expected):
    write_finals(tmp_path, "lbt", [9.9, 10, 10.1])
    rule = claim(kind, methods=["lbt"], value=value, within=2)
    assert verdict(rule, tmp_path)[0] == expected


@pytest.mark.parametrize(
    ("metric", "expected"), [("modes_covered", "supported"), ("intra_mode_kl", "not supported")]
)
def test_better_goes_by_the_metric(tmp_path, metric, expected):
    write_finals(tmp_path, "lbt", [7.9, 8, 8.1], metric)
    write_finals(tmp_path, "gan", [3.9, 4, 4.1], metric)
    write_finals(tmp_path, "lsgan", [2.9, 3, 3.2], metric)
    rule = claim("better", method="lbt", than=["gan", "lsgan"], metric=metric)
    judged = judge(rule, [Evidence(tmp_path, "quick")])
    assert judged.verdict == expected
    assert [f.estimate for f in judged.findings] == pytest.approx([4, 8 - 9.1 / 3])
    # 0.1 is the least p of three against three; Holm doubles it for two comparisons.
    assert [f.p for f in judged.findings] == pytest.approx([0.2, 0.2])
    assert {f.superiority for f in judged.findings} == {float(expected == "supported")}
    assert all(f.low < f.estimate < f.high for f in judged.findings)


def test_one_comparison_that_is_open_or_missing_keeps_a_claim_from_support(tmp_path):
    write_finals(tmp_path, "lbt", [7.9, 8, 8.1])
    write_finals(tmp_path, "gan", [3.9, 4, 4.1])
    rule = claim("better", method="lbt", than=["gan", "veegan"])
    assert verdict(rule, tmp_path) == ("not run", "no runs of veegan on ring")
    write_finals(tmp_path, "veegan", [0, 8, 8])
    assert verdict(rule, tmp_path) == ("inconclusive", "interval too wide")


def test_equal_methods_are_not_better_but_alike(tmp_path):
    write_finals(tmp_path, "lbt", [8, 8, 8])
    write_finals(tmp_path, "gan", [8, 8, 8])
    rule = claim("better", method="lbt", than=["gan"])
    assert verdict(rule, tmp_path) == ("not supported", "equal in every seed")
    for kind in ("alike", "no_better"):
        assert verdict(claim(kind, method="lbt", than=["gan"], margin=1), tmp_path)[0] == (
            "supported"
        )


def test_seeds_of_variants_are_pairs(tmp_path):
    """A common shift of the seeds leaves the difference of variants sharp."""
    write_finals(tmp_path, "lbt", [1, 5, 9])
    write_finals(tmp_path, "lbt[K=1]", [0, 4.1, 8.1])
    write_finals(tmp_path, "gan", [0, 4.1, 8.1])
    judged = judge(claim("better", method="lbt", than=["lbt[K=1]"]), [Evidence(tmp_path, "quick")])
    assert judged.verdict == "supported" and judged.deciding.p == 0.25
    assert verdict(claim("better", method="lbt", than=["gan"]), tmp_path)[0] == "inconclusive"


def test_a_variant_is_found_by_its_settings(tmp_path):
    write_finals(tmp_path, "lbt", [8, 8, 8], K=3)
    folder = Evidence(tmp_path, "quick")
    assert folder.find("ring", "lbt[K=3]") == "lbt"
    assert folder.find("ring", "lbt[K=5]") is None
    assert folder.departures("ring", "lbt") == {"K": 3}


def test_ordered(tmp_path):
    for label, shift in (("lbt[M=5]", 0), ("lbt", 1), ("lbt[M=50]", 2)):
        write_finals(tmp_path, label, [shift, 3 + shift, 5.1 + shift])
    rule = claim("ordered", methods=["lbt[M=5]", "lbt", "lbt[M=50]"])
    assert verdict(rule, tmp_path)[0] == "supported"
    rule = claim("ordered", methods=["lbt", "lbt[M=5]", "lbt[M=50]"])
    assert verdict(rule, tmp_path)[0] == "not supported"


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


def test_a_bound_missed_infinitely_in_every_seed_fails(tmp_path):
    rule = claim("at_most", methods=["lbt"], metric="intra_mode_kl", value=1)
    write_finals(tmp_path, "lbt", [math.inf] * 3, "intra_mode_kl")
    assert verdict(rule, tmp_path)[0] == "not supported"
    write_finals(
        tmp_path, "lbt", [math.inf, 0.5, 0.5], "intra_mode_kl", preset="ring-authors-batch"
    )
    assert verdict(rule, tmp_path, "ring")[0] == "inconclusive"


def test_modes_that_only_fall_do_not_increase_consistently(tmp_path):
    rule = claim("at_most", methods=["lbt"], statistic="setbacks", value=0.1)
    for seed, curve in enumerate([[8, 8, 4, 2, 0, 0], [8, 6, 6, 4, 2, 0], [8, 8, 8, 6, 2, 2]]):
        write_run(tmp_path, "lbt", seed, {"modes_covered": curve})
    assert verdict(rule, tmp_path)[0] == "not supported"


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "better", "method": "gan", "than": ["lbt", "lsgan"]},
        {"kind": "linear", "methods": {"lsgan": 1, "gan": 2, "lbt": 3}},
    ],
)
def test_seconds_of_different_machines_do_not_compare(tmp_path, rule):
    costs = {"lsgan": 11 if rule["kind"] == "better" else 9, "gan": 10, "lbt": 11}
    cost = claim(metric="", statistic="seconds", **rule)
    modes = claim("better", method="gan", than=["lbt"])
    for label, seconds in costs.items():
        for seed in range(3):
            curves = {"modes_covered": [0, 1.0 + (label == "gan")]}
            for preset, machine in (("quick", "A"), ("ring", "B" if label == "lbt" else "A")):
                write_run(
                    tmp_path, label, seed, curves, preset=preset, machine=machine,
                    seconds=seconds + 0.001 * seed,
                )  # fmt: skip
    assert verdict(cost, tmp_path, "quick")[0] == "supported"
    found, reason = verdict(cost, tmp_path, "ring")
    assert (found, reason) == (
        "inconclusive",
        "timed under unlike conditions: cpu A and cpu B",
    )
    assert verdict(modes, tmp_path, "ring")[0] == "supported"


@pytest.mark.parametrize(("rival", "expected"), [(10, "inconclusive"), (5, "supported")])
def test_a_lead_over_competitors_that_learned_nothing_is_none(tmp_path, rival, expected):
    write_finals(tmp_path, "lbt", [80, 81, 82])
    write_finals(tmp_path, "gan", [1, 1, 1])
    write_finals(tmp_path, "lsgan", [4, 5, 6])
    rule = claim("better", method="lbt", than=["gan", "lsgan"], rival=rival)
    found, reason = verdict(rule, tmp_path)
    assert found == expected and ("no competitor reaches 10" in reason) == (rival == 10)


def test_a_rival_goes_by_the_metric_and_keeps_no_failure_from_counting(tmp_path):
    metric = "intra_mode_kl"
    write_finals(tmp_path, "lbt", [0.1, 0.2, 0.3], metric)
    write_finals(tmp_path, "gan", [4, 5, 6], metric)
    rule = {"kind": "better", "metric": metric, "method": "lbt", "than": ["gan"]}
    assert verdict(claim(**rule, rival=4.6), tmp_path)[0] == "inconclusive"
    assert verdict(claim(**rule, rival=5.1), tmp_path)[0] == "supported"
    turned = rule | {"method": "gan", "than": ["lbt"]}
    assert verdict(claim(**turned, rival=0.1), tmp_path)[0] == "not supported"


def test_seconds_beside_other_programs_and_of_seeds_in_one_are_no_measure(tmp_path):
    rule = claim("better", metric="", statistic="seconds", method="gan", than=["lbt"])
    for preset, how, words in (
        ("quick", {"stacked": 3}, "one reading"),
        ("ring", {"shared": True}, "beside other programs"),
    ):
        for label, seconds in (("gan", 10), ("lbt", 11)):
            for seed in range(3):
                write_run(
                    tmp_path, label, seed, {"modes_covered": [0, 8]}, machine="A",
                    seconds=seconds, provenance=how, preset=preset,
                )  # fmt: skip
        found, reason = verdict(rule, tmp_path, preset)
        assert found == "inconclusive" and words in reason
    assert Results(tmp_path, "quick").hours() == pytest.approx(21 / 3600)


def test_what_is_lost_is_counted_where_it_was_looked_at_most_often(tmp_path):
    for seed in range(3):
        write_run(tmp_path, "lbt", seed, {"modes_covered": [0, 8, 4, 8, 6, 8]}, share=0.1)
        curves = {"modes_covered": [0, 8, 8]}
        write_run(
            tmp_path, "lbt", seed, curves, preset="ring-authors-batch", share=1, evaluations=2
        )
    folders = [Evidence(tmp_path, preset) for preset in ("quick", "ring-authors-batch")]
    rule = {"methods": ["lbt"], "value": 0.1}
    lost = judge(claim("at_most", statistic="setbacks", **rule), folders)
    assert (lost.verdict, lost.preset) == ("not supported", "quick")
    assert judge(claim("at_least", methods=["lbt"], value=8), folders).preset == "ring"


def test_seconds_that_compare_are_better_evidence_than_more_training(tmp_path):
    """Of what does not rest on seconds, the longer runs are."""
    for preset, stacked, share in (("quick", 1, 0.01), ("ring", 3, 1)):
        for label, seconds in (("gan", 10), ("lbt", 11)):
            for seed in range(3):
                curves = {"modes_covered": [0, 1.0 + (label == "gan")]}
                write_run(
                    tmp_path, label, seed, curves, preset=preset, machine="A", share=share,
                    seconds=share * (seconds + 0.001 * seed), provenance={"stacked": stacked},
                )  # fmt: skip
    folders = [Evidence(tmp_path, preset) for preset in ("quick", "ring-authors-batch")]
    cost = claim("better", metric="", statistic="seconds", method="gan", than=["lbt"])
    modes = claim("better", method="gan", than=["lbt"])
    judged = judge(cost, folders)
    assert (judged.verdict, judged.preset) == ("supported", "quick")
    assert judge(modes, folders).preset == "ring"


def test_a_failed_run_has_no_seconds_and_no_machine(tmp_path):
    for label, seconds in (("gan", 10), ("lbt", 11)):
        for seed in range(3):
            write_run(
                tmp_path, label, seed, {"modes_covered": [0, 8]}, machine="A",
                seconds=seconds + 0.001 * seed,
            )  # fmt: skip
    failed = tmp_path / "quick" / "runs" / "ring" / "gan" / "seed2" / "provenance.json"
    failed.write_text('{"status": "failed", "reason": "no luck", "device": "cpu"}')
    rule = claim("better", metric="", statistic="seconds", method="gan", than=["lbt"])
    assert verdict(rule, tmp_path) == ("inconclusive", "too few seeds (2; 3 needed)")
    assert clocks(Results(tmp_path, "quick"), "ring") == ["cpu A"]


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
