"""What may decide a claim: how far it was trained, with which settings, and which folder counts."""

from __future__ import annotations

from ledger import claim, verdict, write_finals, write_run

from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.verdict import judge


def test_no_order_is_supported_by_what_is_not_trained(tmp_path):
    rules = [
        claim("better", method="lbt", than=["gan"]),
        claim("ordered", methods=["gan", "lbt"]),
        claim("better", enough=0, method="lbt", than=["gan"]),
    ]
    for preset, share in (("smoke", 0.000025), ("quick", 0.001)):
        write_finals(tmp_path, "lbt", [8, 8, 8], preset=preset, share=share)
        write_finals(tmp_path, "gan", [2, 2, 3], preset=preset, share=share)
    reason = "holds at 0.0025 % of the released training, too little to support"
    for rule in rules[:2]:
        assert verdict(rule, tmp_path, "smoke") == ("inconclusive", reason)
        assert verdict(rule, tmp_path, "quick")[0] == "supported"
    assert verdict(rules[2], tmp_path, "smoke")[0] == "supported"


def test_settings_keep_no_failure_of_ours_from_counting(tmp_path):
    write_finals(tmp_path, "lbt", [1, 1, 1], M=5)
    assert verdict(claim("at_least", methods=["lbt"], value=8), tmp_path)[0] == "inconclusive"
    rule = claim("at_least", ours=True, methods=["lbt"], value=8)
    assert verdict(rule, tmp_path)[0] == "not supported"


def test_what_is_not_trained_cannot_support_a_bound_nor_a_likeness(tmp_path):
    for label in ("lbt", "gan"):
        write_finals(tmp_path, label, [8, 8, 8], preset="quick", share=0.0005)
        write_finals(tmp_path, label, [8, 8, 8], preset="ring-authors-batch", share=0.01)
        write_finals(tmp_path, label, [8, 8, 8], preset="full", share=0.2)
    bound = claim("at_least", methods=["lbt"], value=8)
    alike = claim("alike", method="lbt", than=["gan"], margin=1)
    for preset, verdicts in (
        ("quick", ("inconclusive", "inconclusive")),
        ("ring-authors-batch", ("supported", "inconclusive")),
        ("full", ("supported", "supported")),
    ):
        assert (verdict(bound, tmp_path, preset)[0], verdict(alike, tmp_path, preset)[0]) == (
            verdicts
        )
    assert "too little to support" in verdict(alike, tmp_path, "quick")[1]


def test_settings_are_those_of_the_runs_that_count(tmp_path):
    """Seed 0 is of another version and left out of the tables."""
    write_run(tmp_path, "lbt", 0, {"modes_covered": [0, 1]})
    for seed in (1, 2, 3):
        write_run(tmp_path, "lbt", seed, {"modes_covered": [0, 1]}, share=0.5, M=5)
    folder = Evidence(tmp_path, "quick")
    assert folder.departures("ring", "lbt") == {"M": 5} and folder.share("ring", "lbt") == 0.5


def test_a_failure_at_a_small_scale_or_with_other_settings_refutes_nothing(tmp_path):
    rule = claim("at_least", methods=["lbt"], value=8)
    write_finals(tmp_path, "lbt", [1, 1, 1], preset="quick", share=0.01)
    found, reason = verdict(rule, tmp_path)
    assert found == "inconclusive" and "1 % of the released training" in reason
    write_finals(tmp_path, "lbt", [1, 1, 1], preset="full", M=5)
    found, reason = verdict(rule, tmp_path, "full")
    assert found == "inconclusive" and "M=5" in reason
    write_finals(tmp_path, "lbt", [1, 1, 1], preset="paper")
    assert verdict(rule, tmp_path, "paper")[0] == "not supported"


def test_the_best_evidence_is_what_was_run_most_not_what_came_out_best(tmp_path):
    rule = claim("at_least", methods=["lbt"], value=8)
    write_finals(tmp_path, "lbt", [8, 8, 8], preset="quick", share=0.2)
    write_finals(tmp_path, "lbt", [1, 1, 1], preset="ring-authors-batch", share=0.5)
    write_finals(tmp_path, "lbt", [8, 8], preset="paper")
    write_finals(tmp_path, "lbt", [8, 8, 8], preset="full", estimator="mog")
    names = ["full", "paper", "quick", "ring-authors-batch"]
    judged = judge(rule, [Evidence(tmp_path, name) for name in names])
    assert (judged.preset, judged.verdict) == ("ring-authors-batch", "not supported")


def test_a_variant_is_found_by_its_settings(tmp_path):
    write_finals(tmp_path, "lbt", [8, 8, 8], K=3)
    folder = Evidence(tmp_path, "quick")
    assert folder.find("ring", "lbt[K=3]") == "lbt"
    assert folder.find("ring", "lbt[K=5]") is None
    assert folder.departures("ring", "lbt") == {"K": 3}


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
    assert (
        judge(claim("at_least", methods=["lbt"], value=8), folders).preset == "ring-authors-batch"
    )
