"""The artefact on estimators: which runs it wants, and what it draws of them."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmark.artefacts import estimators, table1
from benchmark.cli import main
from benchmark.core.files import write_json
from benchmark.experiments.job import Job
from benchmark.results.view import Results


def test_the_updates_of_a_method_are_its_own():
    job = Job("smoke", seeds=(0,))
    updates = job.budget("estimators_ring").updates
    assert ("estimators_ring", "vae[mog]") in estimators.needs(job)
    for label, number in updates.items():
        (run,) = job.runs("estimators_ring", label)
        assert run.budget.iterations == number and "updates" not in run.identity()["budget"]
    assert job.runs("estimators_ring", "lbt")[0].budget.iterations == 20


def test_without_mnist_the_stacked_entry_is_left_out(monkeypatch):
    monkeypatch.setattr(Job, "mnist", staticmethod(lambda: False))
    job = Job("smoke")
    assert {dataset for dataset, _ in estimators.needs(job)} == {"estimators_ring"}
    assert {dataset for dataset, _ in table1.needs(job)} == {"stacked_digits"}


LABELS = {  # label -> estimator, variant, what the legend says
    "lbt": ("vae", "", "vae"),
    "lbt[K=3]": ("vae", "", "vae, K=3"),
    "lbt[tuned]": ("vae", "tuned", "vae, searched"),
    "lbt[learned]": ("vae", "learned", "vae, learned variance"),
    "lbt_gan[mog]": ("mog", "mog", "mog"),
    "lbt[mog,anneal=0.5]": ("mog", "mog", "mog, anneal=0.5"),
    "lbt_gan[conv]": ("conv_vae", "conv", "conv_vae"),
    "vae": ("vae", "", "vae"),
    "vae[flow]": ("flow", "flow", "flow"),
    "gan[tuned]": (None, "tuned", None),
}


@pytest.mark.parametrize("label", LABELS)
def test_the_estimator_of_a_method_is_that_of_its_runs(label, tmp_path):
    (run,) = Job("smoke", seeds=(0,)).runs("ring", label)
    folder = tmp_path / "smoke" / "runs" / "ring" / label / "seed0"
    folder.mkdir(parents=True)
    write_json(folder / "settings.json", {"settings": run.settings})
    write_json(folder / "provenance.json", {"status": "failed"})  # a row of the table without more
    results = Results(tmp_path, "smoke")
    found = estimators.estimator(results, "ring", label), estimators.variant(label)
    assert (*found, estimators.words(results, "ring", label)) == LABELS[label]


def test_every_entry_of_the_legend_has_a_look_of_its_own():
    kinds = {words for *_, words in LABELS.values() if words} | set(estimators.COLOURS)
    colours = estimators.palette(kinds)
    assert set(colours) == kinds and len(set(colours.values())) == len(kinds)


def test_teacher_student_and_competitor_are_drawn(tmp_path):
    methods = "lbt[mog],vae[mog],gan[tuned]"
    command = ["--preset", "smoke", "--dataset", "estimators_ring", "--methods", methods]
    command += ["--seeds", "0,1", "--jobs", "1", "--out", str(tmp_path)]
    assert main(command) == 0
    job, results = Job("smoke"), Results(tmp_path, "smoke")
    paths = estimators.draw(results, job)
    assert {p.name for p in paths} == {
        "estimators_ring.png", "estimators_ring.svg", "estimators.csv",
        "estimators_ring_density.png", "estimators_ring_density.svg",
    }  # fmt: skip
    table = pd.read_csv(results.figures / "estimators.csv")
    assert set(table["metric"]) == {"modes_covered", "high_quality_pct", "intra_mode_kl"}
    kinds = table.groupby("method")[["estimator", "variant"]].first()
    assert list(kinds.loc["lbt[mog]"]) == list(kinds.loc["vae[mog]"]) == ["mog", "mog"]
    assert kinds.loc["gan[tuned]", "variant"] == "tuned" and kinds.isna().sum().sum() == 1
    steps = dict(zip(table["method"], table["steps"], strict=True))
    assert steps == {"lbt[mog]": 20, "vae[mog]": 40, "gan[tuned]": 40}


def test_a_preset_without_ring_and_grid_is_drawn(tmp_path, capsys):
    """Figures 2 and 3 have nothing to draw there, and say so."""
    size = ("iterations=2", "batch=8", "final_samples=1000", "eval_samples=1000")
    command = ["--preset", "estimators", "--seeds", "0", "--jobs", "1", "--out", str(tmp_path)]
    command += [f"--set=estimators_ring.{setting}" for setting in size]
    assert main([*command, "--dataset", "estimators_ring", "--methods", "gan"]) == 0
    assert main([*command, "--report", "--reproduce", "fig2,fig3,estimators"]) == 0
    out = capsys.readouterr().out
    assert out.count("nothing to draw") == 2 and "estimators_ring.png" in out
