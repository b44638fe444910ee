"""The rules that decide claims: bounds, orders and likeness."""

from __future__ import annotations

import math

import pytest
from ledger import claim, verdict, write_finals, write_run

from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.verdict import judge


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
    found, reason = verdict(rule, tmp_path, "ring-authors-batch")
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


def test_ordered(tmp_path):
    for label, shift in (("lbt[M=5]", 0), ("lbt", 1), ("lbt[M=50]", 2)):
        write_finals(tmp_path, label, [shift, 3 + shift, 5.1 + shift])
    rule = claim("ordered", methods=["lbt[M=5]", "lbt", "lbt[M=50]"])
    assert verdict(rule, tmp_path)[0] == "supported"
    rule = claim("ordered", methods=["lbt", "lbt[M=5]", "lbt[M=50]"])
    assert verdict(rule, tmp_path)[0] == "not supported"


def test_a_bound_missed_infinitely_in_every_seed_fails(tmp_path):
    rule = claim("at_most", methods=["lbt"], metric="intra_mode_kl", value=1)
    write_finals(tmp_path, "lbt", [math.inf] * 3, "intra_mode_kl")
    assert verdict(rule, tmp_path)[0] == "not supported"
    write_finals(
        tmp_path, "lbt", [math.inf, 0.5, 0.5], "intra_mode_kl", preset="ring-authors-batch"
    )
    assert verdict(rule, tmp_path, "ring-authors-batch")[0] == "inconclusive"


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
