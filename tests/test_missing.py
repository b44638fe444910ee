"""Tables, figures and the page where runs failed, diverged or are of another version."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from ledger import write_run

from benchmark.artefacts import fig6, fig7
from benchmark.experiments.job import Job
from benchmark.report import page
from benchmark.report.claims.evidence import Evidence
from benchmark.results import tables
from benchmark.results.view import Results

BOUNDS = {"data_elbo": [-9, -4, -3], "data_iwae": [-8, -3, -2]}
MEANS = {"mean_low": [-3, -3.1, -3.2], "mean_high": [-2.9, -2.8, -2.7], "js": [0.2, 0.2, 0.2]}


def fail(out: Path, label: str, dataset: str, seed=0) -> None:
    """Turn a run into one that failed before it was measured."""
    run = out / "quick" / "runs" / dataset / label / f"seed{seed}"
    (run / "provenance.json").write_text('{"status": "failed", "reason": "no luck"}')
    (run / "metrics.csv").unlink()


def test_a_dataset_without_headlines_tabulates_a_method_that_failed(tmp_path):
    write_run(tmp_path, "lbt_gan", 0, BOUNDS, dataset="cifar10")
    write_run(tmp_path, "gan", 0, BOUNDS, dataset="cifar10")
    fail(tmp_path, "gan", "cifar10")
    results = Results(tmp_path, "quick")
    tables.write(results, lambda dataset: "tiny")
    summary = results.summary
    missed = summary[summary["method"] == "gan"]
    assert set(missed["metric"]) == set(BOUNDS) and (missed["missed"] == 1).all()
    assert "gan" in tables.render(summary, lambda dataset: "tiny")
    assert "no luck" in page.render(Evidence(tmp_path, "quick"), Job("quick"))


def test_figure_6_counts_failed_and_diverged_runs_worst(tmp_path):
    for label in ("lbt", "lbt[K=1]", "lbt[M=50]"):
        for seed in range(2):
            write_run(tmp_path, label, seed, BOUNDS, dataset="ring_unrolling", data="ring")
    for seed in range(2):
        fail(tmp_path, "lbt[M=50]", "ring_unrolling", seed)
    broken = (
        tmp_path / "quick" / "runs" / "ring_unrolling" / "lbt[K=1]" / "seed1" / "provenance.json"
    )
    broken.write_text('{"status": "diverged"}')
    results, job = Results(tmp_path, "quick"), Job("quick")
    table = fig6.summary(results, job).set_index(["variant", "bound"])
    assert table.loc[("lbt", "data_iwae"), "mean"] == -2
    for label, missed in (("lbt[K=1]", 1), ("lbt[M=50]", 2)):
        row = table.loc[(label, "data_iwae")]
        assert (row["mean"], row["missed"]) == (-math.inf, missed)
    assert fig6.draw(results, job)


def test_figure_7_goes_without_failed_runs_and_ends_diverged_ones_nowhere(tmp_path):
    for seed in range(3):
        write_run(tmp_path, "gan", seed, MEANS, dataset="toy1d")
    fail(tmp_path, "gan", "toy1d", 0)
    broken = tmp_path / "quick" / "runs" / "toy1d" / "gan" / "seed1" / "provenance.json"
    broken.write_text('{"status": "diverged"}')
    (table,) = [
        p for p in fig7.draw(Results(tmp_path, "quick"), Job("quick")) if p.suffix == ".csv"
    ]
    rows = [line.split(",") for line in table.read_text().splitlines() if "sampled" in line]
    assert [row[4] for row in rows] == ["", "-3.2"]


@pytest.mark.parametrize("shown", [0, 1])
def test_a_figure_shows_samples_of_the_runs_in_the_tables(tmp_path, shown):
    for seed in range(3):
        write_run(tmp_path, "gan", seed, {"modes_covered": [0, 8]})
        run = tmp_path / "quick" / "runs" / "ring" / "gan" / f"seed{seed}"
        np.savez(run / "samples.npz", counts=np.array(seed))
        if seed < shown:
            record = json.loads((run / "settings.json").read_text())
            (run / "settings.json").write_text(json.dumps(record | {"code": "older"}))
    assert Results(tmp_path, "quick").samples("ring", "gan")["seed"] == shown
