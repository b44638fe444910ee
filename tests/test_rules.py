"""The rules that decide claims: bounds, orders and likeness."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ledger import claim, verdict, write_finals

from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.verdict import judge


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([8, 8, 8], ("supported", "")),
        ([8, 8, 7], ("undecided", "interval too wide")),
        ([5, 5, 5], ("refuted", "")),
        ([8, 8], ("undecided", "too few seeds (2; 3 needed)")),
        ([], ("not run", "no runs of lbt on ring")),
    ],
)
def test_a_bound(tmp_path, values, expected):
    write_finals(tmp_path, "gan", [1])
    write_finals(tmp_path, "lbt", values)
    assert verdict(claim("at_least", methods=["lbt"], value=8), tmp_path) == expected


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [("near", 10, "supported"), ("near", 20, "refuted"), ("at_most", 12, "supported")],
)
def test_near_and_at_most(tmp_path, kind, value, expected):
    write_finals(tmp_path, "lbt", [9.9, 10, 10.1])
    rule = claim(kind, methods=["lbt"], value=value, within=2)
    assert verdict(rule, tmp_path)[0] == expected


@pytest.mark.parametrize(
    ("metric", "expected"), [("modes_covered", "supported"), ("intra_mode_kl", "refuted")]
)
def test_better_goes_by_the_metric(tmp_path, metric, expected):
    write_finals(tmp_path, "lbt", [7.9, 8, 8.1], metric)
    write_finals(tmp_path, "gan", [3.9, 4, 4.1], metric)
    write_finals(tmp_path, "lsgan", [2.9, 3, 3.2], metric)
    rule = claim("better", method="lbt", than=["gan", "lsgan"], metric=metric)
    judged = judge(rule, [Evidence(tmp_path, "quick")])
    assert judged.verdict == expected
    if metric == "modes_covered":
        expected_gaps = [4, 8 - 9.1 / 3]
    else:  # divergences are compared by their logarithms
        means = [np.log(v).mean() for v in ([7.9, 8, 8.1], [3.9, 4, 4.1], [2.9, 3, 3.2])]
        expected_gaps = [math.exp(means[0] - other) for other in means[1:]]
    assert [f.estimate for f in judged.findings] == pytest.approx(expected_gaps)
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
    assert verdict(rule, tmp_path) == ("undecided", "interval too wide")


def test_equal_methods_are_not_better_but_alike(tmp_path):
    write_finals(tmp_path, "lbt", [8, 8, 8])
    write_finals(tmp_path, "gan", [8, 8, 8])
    rule = claim("better", method="lbt", than=["gan"])
    assert verdict(rule, tmp_path) == ("refuted", "equal in every seed")
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
    assert verdict(claim("better", method="lbt", than=["gan"]), tmp_path)[0] == "undecided"


def test_ordered(tmp_path):
    for label, shift in (("lbt[M=5]", 0), ("lbt", 1), ("lbt[M=50]", 2)):
        write_finals(tmp_path, label, [shift, 3 + shift, 5.1 + shift])
    rule = claim("ordered", methods=["lbt[M=5]", "lbt", "lbt[M=50]"])
    assert verdict(rule, tmp_path)[0] == "supported"
    rule = claim("ordered", methods=["lbt", "lbt[M=5]", "lbt[M=50]"])
    assert verdict(rule, tmp_path)[0] == "refuted"


def test_a_bound_missed_infinitely_in_every_seed_fails(tmp_path):
    rule = claim("at_most", methods=["lbt"], metric="intra_mode_kl", value=1)
    write_finals(tmp_path, "lbt", [math.inf] * 3, "intra_mode_kl")
    assert verdict(rule, tmp_path)[0] == "refuted"
    write_finals(
        tmp_path, "lbt", [math.inf, 0.5, 0.5], "intra_mode_kl", preset="ring-authors-batch"
    )
    assert verdict(rule, tmp_path, "ring-authors-batch")[0] == "undecided"
