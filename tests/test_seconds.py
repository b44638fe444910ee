"""Claims about cost: which seconds compare, and whether they grow linearly."""

from __future__ import annotations

import pytest
from ledger import LEARNED, claim, flat, verdict, write_run

from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.verdict import judge
from benchmark.results.scale import clocks
from benchmark.results.view import Results
from benchmark.store import provenance

FRESH = (5, 6, 7)


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
        for seed in FRESH:
            curves = {"modes_covered": flat(1.0 + (label == "gan"))} | LEARNED
            for preset, machine in (
                ("quick", "A"),
                ("ring-authors-batch", "B" if label == "lbt" else "A"),
            ):
                write_run(
                    tmp_path, label, seed, curves, preset=preset, machine=machine,
                    seconds=seconds + 0.001 * (seed - 5),
                )  # fmt: skip
    assert verdict(cost, tmp_path, "quick")[0] == "supported"
    found, reason = verdict(cost, tmp_path, "ring-authors-batch")
    assert (found, reason) == (
        "undecided",
        "timed under unlike conditions: cpu A and cpu B",
    )
    assert verdict(modes, tmp_path, "ring-authors-batch")[0] == "supported"


def test_seconds_beside_other_programs_and_of_seeds_in_one_are_no_measure(tmp_path):
    rule = claim("better", metric="", statistic="seconds", method="gan", than=["lbt"])
    for preset, how, words in (
        ("quick", {"stacked": 3}, "one reading"),
        ("ring-authors-batch", {"shared": True}, "beside other programs"),
    ):
        for label, seconds in (("gan", 10), ("lbt", 11)):
            for seed in FRESH:
                write_run(
                    tmp_path, label, seed, {"modes_covered": [0, 8]}, machine="A",
                    seconds=seconds, provenance=how, preset=preset,
                )  # fmt: skip
        found, reason = verdict(rule, tmp_path, preset)
        assert found == "undecided" and words in reason
    assert Results(tmp_path, "quick").hours() == pytest.approx(21 / 3600)


def test_a_run_records_that_others_ran_beside(monkeypatch):
    assert "shared" not in provenance.machine("cpu")
    monkeypatch.setenv(provenance.SHARED, "1")
    assert provenance.machine("cpu")["shared"] is True


def test_seconds_that_compare_are_better_evidence_than_more_training(tmp_path):
    """Of what does not rest on seconds, the longer runs are."""
    for preset, stacked, share in (("quick", 1, 0.01), ("ring-authors-batch", 3, 1)):
        for label, seconds in (("gan", 10), ("lbt", 11)):
            for seed in FRESH:
                curves = {"modes_covered": flat(1.0 + (label == "gan"))} | LEARNED
                write_run(
                    tmp_path, label, seed, curves, preset=preset, machine="A", share=share,
                    seconds=share * (seconds + 0.001 * (seed - 5)), provenance={"stacked": stacked},
                )  # fmt: skip
    folders = [Evidence(tmp_path, preset) for preset in ("quick", "ring-authors-batch")]
    cost = claim("better", metric="", statistic="seconds", method="gan", than=["lbt"])
    modes = claim("better", method="gan", than=["lbt"])
    judged = judge(cost, folders)
    assert (judged.verdict, judged.preset) == ("supported", "quick")
    assert judge(modes, folders).preset == "ring-authors-batch"


def test_runs_made_to_be_timed_are_evidence_of_seconds_alone(tmp_path):
    """Though their seeds are fresh and the other preset's are not."""
    for preset, seeds in (("costs", FRESH), ("ring-h100", (0, 1, 2))):
        for label, seconds in (("gan", 10), ("lbt", 11)):
            for seed in seeds:
                write_run(
                    tmp_path, label, seed, {"modes_covered": flat(8.0)} | LEARNED, machine="A",
                    preset=preset, seconds=seconds + 0.001 * seed, share=0.01,
                )  # fmt: skip
    folders = [Evidence(tmp_path, preset) for preset in ("costs", "ring-h100")]
    cost = claim("better", metric="", statistic="seconds", method="gan", than=["lbt"])
    modes = claim("at_least", methods=["lbt"], value=8)
    assert judge(cost, folders).preset == "costs"
    assert judge(modes, folders).preset == "ring-h100"
    assert judge(modes, folders[:1]).preset == "costs"  # nothing else is there


def test_a_failed_run_has_no_seconds_and_no_machine(tmp_path):
    for label, seconds in (("gan", 10), ("lbt", 11)):
        for seed in FRESH:
            write_run(
                tmp_path, label, seed, {"modes_covered": [0, 8]}, machine="A",
                seconds=seconds + 0.001 * (seed - 5),
            )  # fmt: skip
    failed = tmp_path / "quick" / "runs" / "ring" / "gan" / "seed7" / "provenance.json"
    failed.write_text('{"status": "failed", "reason": "no luck", "device": "cpu"}')
    rule = claim("better", metric="", statistic="seconds", method="gan", than=["lbt"])
    assert verdict(rule, tmp_path) == ("undecided", "too few seeds (2; 3 needed)")
    assert clocks(Results(tmp_path, "quick"), "ring") == ["cpu A"]


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ([2, 4, 6, 16], "supported"),
        ([6, 4, 3, 1], "refuted"),
        ([1, 9, 9, 9], "refuted"),
        ([k**1.5 for k in (1, 3, 5, 15)], "refuted"),
        ([500 + 3 * k**1.5 for k in (1, 3, 5, 15)], "refuted"),
        ([500 + 3 * k**1.1 for k in (1, 3, 5, 15)], "supported"),
    ],
)
def test_linear_cost(tmp_path, cost, expected):
    methods = {"lbt[K=1]": 1, "lbt[K=3]": 3, "lbt": 5, "lbt[K=15]": 15}
    rule = claim("linear", metric="", statistic="seconds", methods=methods)
    for seed in FRESH:
        for (label, _), c in zip(methods.items(), cost, strict=True):
            write_run(
                tmp_path, label, seed, {"modes_covered": [0, 8]}, seconds=c + 0.01 * (seed - 5)
            )
        assert verdict(rule, tmp_path)[0] == ("undecided" if seed < 7 else expected)
