"""What may decide a claim: with which settings, which seeds, and which folder counts."""

from __future__ import annotations

from ledger import LEARNED, claim, flat, verdict, write_finals, write_run

from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.verdict import judge

BOUND = claim("at_least", methods=["lbt"], value=8)


def test_settings_keep_no_failure_of_ours_from_counting(tmp_path):
    write_finals(tmp_path, "lbt", [1, 1, 1], M=5)
    assert verdict(BOUND, tmp_path)[0] == "not run"
    rule = claim("at_least", ours=True, methods=["lbt"], value=8)
    assert verdict(rule, tmp_path)[0] == "refuted"


def test_settings_are_those_of_the_runs_that_count(tmp_path):
    """Seed 0 is of another version and left out of the tables."""
    write_run(tmp_path, "lbt", 0, {"modes_covered": [0, 1]})
    for seed in (1, 2, 3):
        write_run(tmp_path, "lbt", seed, {"modes_covered": [0, 1]}, share=0.5, M=5)
    folder = Evidence(tmp_path, "quick")
    assert folder.departures("ring", "lbt") == {"M": 5} and folder.share("ring", "lbt") == 0.5


def test_a_substitute_decides_nothing_in_either_direction(tmp_path):
    for value, word in ((8, "holds"), (1, "fails")):
        out = tmp_path / word
        write_finals(out, "lbt", [value] * 3, M=5)
        judged = judge(BOUND, [Evidence(out, "quick")])
        assert (judged.verdict, judged.reason) == ("not run", "no runs with the released settings")
        assert judged.substitute == f"{word} in a substitute: quick, M=5"
    write_finals(tmp_path / "fails", "lbt", [8] * 3, preset="full")
    folders = [Evidence(tmp_path / "fails", name) for name in ("quick", "full")]
    judged = judge(BOUND, folders)
    assert (judged.verdict, judged.preset) == ("supported", "full")
    assert judged.substitute == "fails in a substitute: quick, M=5"


def test_another_dataset_may_stand_beside(tmp_path):
    write_finals(tmp_path, "lbt", [8] * 3, dataset="ring_unrolling", data="ring", M=5)
    rule = claim("at_least", methods=["lbt"], value=8, substitutes=["ring_unrolling"])
    judged = judge(rule, [Evidence(tmp_path, "quick")])
    assert (judged.verdict, judged.substitute) == (
        "not run", "holds in a substitute: quick, M=5"
    )  # fmt: skip


def test_seeds_that_chose_the_rules_confirm_nothing(tmp_path):
    write_finals(tmp_path, "lbt", [8] * 5, first=0)
    found, reason = verdict(BOUND, tmp_path)
    assert found == "holds so far" and "chose the rules" in reason
    write_finals(tmp_path, "lbt", [1] * 2)  # two fresh ones are too few to decide alone
    found, reason = verdict(BOUND, tmp_path)
    assert found == "undecided"
    write_finals(tmp_path, "lbt", [1], first=7)
    assert verdict(BOUND, tmp_path) == ("refuted", "")


def test_the_best_evidence_is_what_was_run_most_not_what_came_out_best(tmp_path):
    write_finals(tmp_path, "lbt", [8, 8, 8], preset="quick", share=0.2)
    write_finals(tmp_path, "lbt", [1, 1, 1], preset="ring-authors-batch", share=0.5)
    write_finals(tmp_path, "lbt", [8, 8], preset="paper")
    write_finals(tmp_path, "lbt", [8, 8, 8], preset="full", estimator="mog")
    names = ["full", "paper", "quick", "ring-authors-batch"]
    judged = judge(BOUND, [Evidence(tmp_path, name) for name in names])
    assert (judged.preset, judged.verdict) == ("ring-authors-batch", "refuted")


def test_fresh_seeds_are_better_evidence_than_longer_runs(tmp_path):
    write_finals(tmp_path, "lbt", [8] * 3, preset="quick", share=0.2)
    write_finals(tmp_path, "lbt", [1] * 5, preset="full", first=0)
    judged = judge(BOUND, [Evidence(tmp_path, name) for name in ("quick", "full")])
    assert (judged.preset, judged.verdict) == ("quick", "supported")


def test_a_variant_is_found_by_its_settings(tmp_path):
    write_finals(tmp_path, "lbt", [8, 8, 8], K=3)
    folder = Evidence(tmp_path, "quick")
    assert folder.find("ring", "lbt[K=3]") == "lbt"
    assert folder.find("ring", "lbt[K=5]") is None
    assert folder.departures("ring", "lbt") == {"K": 3}


def test_what_is_lost_is_counted_where_it_was_looked_at_most_often(tmp_path):
    for seed in (5, 6, 7):
        lost = {"modes_covered": [0, 8, 4, 8, 6, 8, 8, 8, 8, 8]} | LEARNED
        write_run(tmp_path, "lbt", seed, lost, share=0.1)
        curves = {"modes_covered": flat(8)} | LEARNED
        write_run(
            tmp_path, "lbt", seed, curves, preset="ring-authors-batch", share=1, evaluations=2
        )
    folders = [Evidence(tmp_path, preset) for preset in ("quick", "ring-authors-batch")]
    lost = judge(claim("at_most", statistic="setbacks", methods=["lbt"], value=0.1), folders)
    assert (lost.verdict, lost.preset) == ("refuted", "quick")
    assert judge(BOUND, folders).preset == "ring-authors-batch"


def test_a_claim_that_is_not_decided_says_what_it_would_cost(tmp_path):
    write_finals(tmp_path, "lbt", [8] * 5, first=0, share=0.03)
    judged = judge(BOUND, [Evidence(tmp_path, "quick")])
    assert judged.cost.endswith("core-hours") and 1 < float(judged.cost.split()[1]) < 10
    write_finals(tmp_path, "lbt", [8] * 3, share=0.03)
    assert judge(BOUND, [Evidence(tmp_path, "quick")]).cost == ""
    other = claim("at_least", methods=["gan"], value=8)
    assert "at the released length" in judge(other, [Evidence(tmp_path, "quick")]).cost
