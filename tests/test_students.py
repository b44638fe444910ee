"""The artefact on estimators: which runs it wants, and what it draws of them."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from benchmark.__main__ import main
from benchmark.artefacts import estimators, table1
from benchmark.job import Job
from benchmark.results import Results


def test_the_updates_of_a_method_are_its_own():
    job = Job("smoke", seeds=(0,))
    updates = job.budget("students_ring").updates
    assert ("students_ring", "vae[mog]") in estimators.needs(job)
    for label, number in updates.items():
        (run,) = job.runs("students_ring", label)
        assert run.budget.iterations == number and "updates" not in run.identity()["budget"]
    assert job.runs("students_ring", "lbt")[0].budget.iterations == 20


def test_without_mnist_the_stacked_entry_is_left_out(monkeypatch):
    monkeypatch.setattr(Job, "mnist", staticmethod(lambda: False))
    job = Job("smoke")
    assert {dataset for dataset, _ in estimators.needs(job)} == {"students_ring"}
    assert {dataset for dataset, _ in table1.needs(job)} == {"stacked_digits"}


@pytest.mark.parametrize(
    ("label", "kind"),
    [("lbt", "vae"), ("lbt_gan[mog]", "mog"), ("lbt[mog,anneal=0.5]", "mog"), ("gan[tuned]", None)],
)
def test_the_estimator_of_a_label(label, kind):
    assert estimators.estimator(label) == kind


def test_teacher_student_and_competitor_are_drawn(tmp_path):
    methods = "lbt[mog],vae[mog],gan[tuned]"
    command = ["--preset", "smoke", "--dataset", "students_ring", "--methods", methods]
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
    kinds = dict(zip(table["method"], table["estimator"], strict=True))
    assert kinds["lbt[mog]"] == kinds["vae[mog]"] == "mog" and math.isnan(kinds["gan[tuned]"])
    steps = dict(zip(table["method"], table["steps"], strict=True))
    assert steps == {"lbt[mog]": 20, "vae[mog]": 40, "gan[tuned]": 40}


def test_a_preset_without_ring_and_grid_is_drawn(tmp_path, capsys):
    """Figures 2 and 3 have nothing to draw there, and say so."""
    size = ("iterations=2", "batch=8", "final_samples=1000", "eval_samples=1000")
    command = ["--preset", "students", "--seeds", "0", "--jobs", "1", "--out", str(tmp_path)]
    command += [f"--set=students_ring.{setting}" for setting in size]
    assert main([*command, "--dataset", "students_ring", "--methods", "gan"]) == 0
    assert main([*command, "--report", "--reproduce", "fig2,fig3,estimators"]) == 0
    out = capsys.readouterr().out
    assert out.count("nothing to draw") == 2 and "estimators_ring.png" in out
