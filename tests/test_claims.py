"""The claims ledger, on small fixtures of results."""

from __future__ import annotations

import pandas as pd
import pytest
from ledger import FRESH, LEARNED, claim, flat, shipped, verdict, write_finals, write_run

from benchmark.cli import main
from benchmark.core.errors import UserError
from benchmark.experiments.job import Job
from benchmark.experiments.labels import parse_label
from benchmark.experiments.presets import experiments
from benchmark.report.claims import ledger
from benchmark.report.claims.checks import Figure
from benchmark.report.claims.claim import Claim
from benchmark.report.claims.claim import load as load_claims
from benchmark.report.claims.curves import MEASURED
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.verdict import judge
from methods import REGISTRY


def preset_of(ours: Claim) -> Job:
    """The preset that a claim of our own is made for."""
    own = {
        "ring": "ring-authors-batch",
        "stacked_mnist_equal_time": "stacked-mnist",
        "stacked_mnist_authors_networks": "stacked-mnist",
    }
    return Job(own.get(ours.rule.dataset, "estimators"))


def test_the_shipped_claims_name_what_exists():
    found = load_claims()
    ids = [c.id for c in found]
    assert len(ids) == len(set(ids)) >= 30
    assert {c.rule.kind for c in found} == {
        "at_least", "at_most", "near", "better", "no_better", "no_worse", "alike", "ordered",
        "sooner", "linear", "figure",
    }  # fmt: skip
    for c in found:
        if isinstance(c.rule, Figure):
            continue
        job = preset_of(c) if c.ours else Job(next(iter(experiments()[c.rule.dataset].at)))
        assert c.rule.metric in MEASURED or c.rule.statistic == "seconds"
        assert set(c.substitutes) <= experiments().keys()
        assert set(c.rule.fails) <= set(c.rule.named())
        for method in c.rule.named():
            job.check(method)
            key, _, asked = parse_label(method)
            assert asked.keys() <= job.runs(c.rule.dataset, key)[0].settings.keys()


BAD = {"modes_covered": 0, "high_quality_pct": 60, "intra_mode_kl": 9}
GOOD = {"modes_covered": 100, "high_quality_pct": 96, "intra_mode_kl": 0.05}
MIXTURES = ("mixture-ring", "mixture-ring-kl", "mixture-ring-gan", "mixture-ring-gan-kl",
            "mixture-grid", "mixture-grid-quality")  # fmt: skip


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize(
    ("runs", "first", "expected"),
    [
        ([BAD] * 3, FRESH, "refuted"),
        ([GOOD] * 3, FRESH, "supported"),
        ([GOOD, GOOD, BAD], FRESH, "refuted"),
        ([GOOD] * 3, 0, "holds so far"),
        ([BAD] * 3, 0, "fails so far"),
        ([BAD] * 2, FRESH, "undecided"),
    ],
)
def test_our_own_bounds_can_be_refuted(tmp_path, name, runs, first, expected):
    rule = shipped(name)
    (method,) = rule.rule.named()
    where = {"dataset": rule.rule.dataset, "data": rule.rule.dataset.removeprefix("estimators_")}
    for seed, values in enumerate(runs, first):
        curves = {metric: flat(value) for metric, value in values.items()}
        write_run(tmp_path, method, seed, curves, preset="estimators", M=1, K=1, **where)
    found, reason = verdict(rule, tmp_path, "estimators")
    assert found == expected, reason


@pytest.mark.parametrize(
    ("seeds", "values", "expected"),
    [
        ("every", [8.4, 8.5, 8.6], ("supported", "")),
        ("every", [7.99, 8.1, 8.1, 8.1, 8.1], ("refuted", "1 of 5 runs outside")),
        ("every", [7, 8], ("undecided", "too few seeds (2; 3 needed)")),
        ("every", [8, 8, 20], ("undecided", "interval too wide")),
        ("some", [0, 0, 8], ("supported", "1 of 3 runs")),
        ("some", [0, 0, 7], ("refuted", "in none of 3 runs")),
        ("some", [0, 8], ("undecided", "too few seeds (2; 3 needed)")),
    ],
)
def test_bounds_on_single_runs(tmp_path, seeds, values, expected):
    write_finals(tmp_path, "lbt", values)
    rule = claim("at_least", methods=["lbt"], value=8, seeds=seeds)
    assert verdict(rule, tmp_path) == expected


def test_a_run_that_broke_is_none_of_some(tmp_path):
    for seed in range(5, 8):
        status = "diverged" if seed > 5 else "complete"
        curves = {"modes_covered": [0, 6, *[8] * 8]} | LEARNED
        write_run(tmp_path, "lbt", seed, curves, status=status)
    rule = claim("at_least", methods=["lbt"], statistic="drops", value=1, seeds="some")
    assert verdict(rule, tmp_path)[0] == "undecided"


def test_what_is_claimed_also_refutes(tmp_path):
    for seed in range(5, 8):
        curves = {"modes_covered": flat(8), "high_quality_pct": flat(70)}
        write_run(tmp_path, "lbt", seed, curves)
    rule = {"kind": "at_least", "methods": ["lbt"], "value": 8}
    assert verdict(claim(**rule, also={"high_quality_pct": 60}), tmp_path)[0] == "supported"
    assert verdict(claim(**rule, also={"high_quality_pct": 90}), tmp_path)[0] == "refuted"


def test_a_run_that_broke_cannot_support_by_counting_as_the_worst(tmp_path):
    """The worst JS is the one that the claim on GAN's collapse asks for."""
    for seed in range(5, 8):
        write_run(tmp_path, "gan", seed, {"js": flat(0.1)}, dataset="toy1d", status="diverged")
    rule = claim("at_least", dataset="toy1d", metric="js", methods=["gan"], value=0.2)
    found, reason = verdict(rule, tmp_path)
    assert found == "undecided" and "did not complete" in reason


def test_claims_that_are_ours_are_counted_apart(tmp_path):
    write_finals(tmp_path, "lbt", [8, 8, 8])
    paper = claim("at_least", methods=["lbt"], value=8)
    both = [paper, paper.model_copy(update={"ours": True})]
    judged = [judge(c, [Evidence(tmp_path, "quick")]) for c in both]
    assert [j.verdict for j in judged] == ["supported", "supported"]
    assert ledger.tally(judged).startswith("1 supported")


def test_a_diverged_run_counts_as_the_worst(tmp_path):
    curves = {"modes_covered": [0, 6, 7, 8]} | LEARNED
    for seed in range(2):
        write_run(tmp_path, "lbt", seed, curves)
    write_run(tmp_path, "lbt", 2, curves, status="diverged")
    folder = Evidence(tmp_path, "quick")
    assert list(folder.sample("ring", "lbt", "modes_covered", "final")) == [8, 8, 0]
    rule = claim("at_most", methods=["lbt"], value=1, statistic="drops")
    assert verdict(rule, tmp_path) == (
        "undecided", "no interval, since a run counts as infinite"
    )  # fmt: skip


def test_figures_tables(tmp_path):
    folder = tmp_path / "quick" / "figures"
    folder.mkdir(parents=True)
    pd.DataFrame({"kind": ["x", "x", "y"], "a": [1.0, 2.0, 5.0]}).to_csv(folder / "f.csv")
    cases = {
        "supported": [
            {"where": {"kind": "x"}, "column": "a", "near": 2, "within": 0.1, "some": True},
            {"where": {"kind": "x"}, "column": "a", "at_most": 2},
            {"where": {"kind": "z"}, "count": 0},
            {"where": {"kind": "x"}, "column": "a", "above": 0.99},
        ],
        "refuted": [
            {"where": {"kind": "x"}, "column": "a", "near": 2, "within": 0.1},
            {"where": {"kind": "y"}, "column": "a", "at_least": 6},
            {"where": {"kind": "y"}, "count": 0},
            {"where": {"kind": "x"}, "column": "a", "above": 1},
        ],
        "not run": [{"where": {"kind": "z"}, "column": "a", "at_most": 2}],
    }
    for expected, checks in cases.items():
        for check in checks:
            rule = {"kind": "figure", "file": "f.csv", "checks": [check]}
            c = Claim(id="a", text="A", place="B", rule=rule)
            assert verdict(c, tmp_path)[0] == expected, check
    (folder / "f.csv").write_text("kind,a\nz,much\n")
    with pytest.raises(UserError, match="f.csv: damaged"):
        verdict(Claim(id="a", text="A", place="B", rule=rule), tmp_path)
    rule["file"] = "g.csv"
    c = Claim(id="a", text="A", place="B", rule=rule)
    assert verdict(c, tmp_path) == ("not run", "no figures/g.csv")


def test_the_command_prints_and_writes_a_row_per_claim(tmp_path, capsys):
    write_finals(tmp_path, "lbt", [8, 8, 8], share=0.01)
    write_finals(tmp_path, "gan", [8, 8, 8], preset="mixtures-batch-128", share=0.01)
    assert main(["--claims", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "ring-modes: LBT covers all 8 modes" in shown and "2 supported" in shown
    path = tmp_path / "claims.csv"
    first = path.read_bytes()
    table = pd.read_csv(path).set_index("claim")
    assert list(table.index) == [c.id for c in load_claims()]
    row = table.loc["ring-modes"]
    assert (row["verdict"], row["preset"], row["share"], row["n"]) == (
        "supported",
        "quick",
        0.01,
        3,
    )
    assert (row["estimate"], row["low"], row["high"]) == (8, 8, 8)
    assert set(table["verdict"]) == {"supported", "not run"}
    assert table.loc[table["verdict"] == "not run", "reason"].notna().all()
    assert "core-hours" in table.loc["pacgan-modes", "to_decide"]
    assert main(["--claims", "--out", str(tmp_path)]) == 0
    assert path.read_bytes() == first

    assert main(["--claims", "--preset", "mixtures-batch-128", "--out", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "mixtures-batch-128" / "claims.csv").set_index("claim")
    assert table.loc["ring-modes", "verdict"] == "not run"
    assert len(pd.read_csv(tmp_path / "mixtures-batch-128" / "claims_details.csv")) > len(table)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "no runs under"),
        (["--preset", "quick"], "no runs under"),
        (["--preset", "quik"], "did you mean 'quick'"),
    ],
)
def test_bad_input_gets_one_line(tmp_path, capsys, options, message):
    assert main(["--claims", *options, "--out", str(tmp_path / "none")]) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err.count("\n") == 1 and message in output.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claims: []", "claims"),
        ("- a", "expected a list named claims"),
        ("claims:\n  - id: a\n    text: A\n    place: B\n    rule: {kind: best}", "line 5"),
        ("claims:\n  - id: a\n    text: A\n    place: B\n    rules: 1", "line 5"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load_claims(path)


def test_every_method_of_a_claim_is_in_the_registry():
    methods = {m for c in load_claims() if not isinstance(c.rule, Figure) for m in c.rule.named()}
    assert {parse_label(m).key for m in methods} <= set(REGISTRY)
