"""The command line: what it writes, reuses and draws, with plugins too."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import TINY
from faults import unsealed

from benchmark.cli import main

ROOT = Path(__file__).resolve().parent.parent


def results(out: Path) -> Path:
    """The one results folder under ``out``; changed budgets are part of its name."""
    (folder,) = out.glob("smoke*")
    return folder


@pytest.mark.parametrize("flag", ["--help", "--list"])
def test_answers_within_a_second(flag):
    seconds = []
    for _ in range(3):  # the quickest counts: other tests may run beside this one
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "benchmark", flag], cwd=ROOT, capture_output=True, text=True
        )
        seconds.append(time.perf_counter() - start)
        assert done.returncode == 0 and "lbt" in done.stdout
    assert min(seconds) < 1.0


def test_a_python_without_the_packages_is_told_in_one_line():
    command = [sys.executable, "-S", "-m", "benchmark", "--list"]  # -S: no site-packages
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "requirements.txt" in done.stderr


def test_trains_and_writes_tidy_results(tmp_path, capsys):
    command = ["--methods", "gan,oracle", "--dataset", "ring", *TINY, "--out", str(tmp_path)]
    assert main(command) == 0
    table = pd.read_csv(results(tmp_path) / "metrics.csv")
    first = ["dataset", "method", "seed", "step", "metric", "value", "status"]
    assert list(table.columns[:7]) == first
    assert set(table["seed"]) == {0, 1} and set(table["status"]) == {"complete"}
    assert set(table.loc[table["method"] == "gan", "step"]) == {0, 1, 2, 3, 4}
    summary = pd.read_csv(results(tmp_path) / "summary.csv")
    row = summary.query("method == 'oracle' and metric == 'high_quality_pct'").iloc[0]
    assert row["n"] == 2 and abs(row["mean"] - 98.9) < 1
    assert "oracle" in capsys.readouterr().out
    assert (results(tmp_path) / "index.html").is_file()
    assert not list(tmp_path.rglob("*.png"))  # --no-figures


def test_finished_runs_are_reused_and_forced_ones_keep_the_old_aside(tmp_path):
    command = ["--methods", "gan", *TINY, "--seeds", "0", "--out", str(tmp_path)]
    assert main(command) == 0
    record = results(tmp_path) / "runs" / "ring" / "gan" / "seed0" / "provenance.json"
    first = record.stat().st_mtime_ns
    assert main(command) == 0
    assert record.stat().st_mtime_ns == first
    assert main([*command, "--force"]) == 0
    assert record.stat().st_mtime_ns != first
    folders = sorted(p.name for p in record.parent.parent.iterdir())
    assert len(folders) == 2 and folders[0] == "seed0" and folders[1].startswith("seed0.")


def test_a_changed_budget_gets_results_of_its_own(tmp_path, capsys):
    command = ["--methods", "gan", *TINY, "--seeds", "0", "--out", str(tmp_path)]
    assert main(command) == 0
    assert main([*command, "--set", "ring.batch=9"]) == 0
    folders = sorted(p.name for p in tmp_path.iterdir())
    assert len(folders) == 2 and "ring.batch=9" in folders[1]
    assert "changed: " in capsys.readouterr().out


def test_runs_of_different_versions_are_not_averaged(tmp_path, capsys):
    command = ["--methods", "gan", *TINY, "--seeds", "0-2", "--out", str(tmp_path)]
    assert main(command) == 0
    settings = results(tmp_path) / "runs" / "ring" / "gan" / "seed1" / "settings.json"
    unsealed(settings.parent)
    settings.write_text(settings.read_text().replace('"code": "', '"code": "other'))
    assert main([*command, "--report"]) == 0
    assert set(pd.read_csv(results(tmp_path) / "metrics.csv")["seed"]) == {0, 2}
    assert "ring/gan/seed1, of another version" in capsys.readouterr().err


def test_a_method_setting_makes_a_variant_of_its_own(tmp_path):
    command = ["--methods", "pacgan", *TINY, "--seeds", "0", "--out", str(tmp_path)]
    assert main(command) == 0
    assert main([*command, "--set", "pacgan.m=3"]) == 0
    summary = pd.read_csv(results(tmp_path) / "summary.csv")
    assert set(summary["method"]) == {"pacgan", "pacgan[m=3]"}


def test_results_do_not_depend_on_jobs(tmp_path):
    """Two workers and one, and the other order of seeds: the same rows but for the seconds."""
    base = ["--methods", "gan,lsgan", *TINY]
    assert main([*base, "--out", str(tmp_path / "one")]) == 0
    assert main([*base, "--jobs", "2", "--seeds", "1,0", "--out", str(tmp_path / "two")]) == 0
    one, two = (pd.read_csv(results(tmp_path / n) / "metrics.csv") for n in ("one", "two"))
    columns = ["dataset", "method", "seed", "step", "metric", "value", "status"]
    pd.testing.assert_frame_equal(one[columns], two[columns])


PLUGIN = '''"""Teleport: a method of the user's own."""
import torch
from methods.base import Method, MethodConfig, Spec

class Config(MethodConfig):
    mode: str = "good"

def build(spec: Spec, cfg: Config) -> Method:
    def init(seed):
        return {"theta": torch.zeros(2)}
    def step(state, batch):
        if cfg.mode == "raise":
            raise RuntimeError("out of luck")
        if cfg.mode == "die":
            import os; os._exit(7)
        theta = batch["x"].mean(0) * (float("nan") if cfg.mode == "nan" else 1.0)
        return {"theta": theta}, {"loss": theta.sum()}
    def sample(state, z):
        return state["theta"] + z[:, :2]
    return Method(init, step, sample, ("x",), {})
'''


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "teleport.py"
    path.write_text(PLUGIN)
    return ["--plugin", str(path), "--methods", "teleport", "--out", str(tmp_path / "out"), *TINY]


@pytest.mark.parametrize(
    "source, message",
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise ValueError('one\\ntwo')", "ValueError: one"),
        ("x = 1", "no function build(spec, cfg) or load(device) in it"),
        ("def build(spec, cfg): ...", "annotate build's cfg"),
        ("def build(spec, cfg: 'Missing'): ...", "name 'Missing' is not defined"),
    ],
)
def test_broken_plugin_gets_one_line(source, message, tmp_path, capsys):
    path = tmp_path / "broken.py"
    path.write_text(source)
    command = ["--plugin", str(path), "--methods", "broken", "--out", str(tmp_path / "out")]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error


def test_plugin_runs_like_any_method(plugin, tmp_path):
    assert main(plugin) == 0
    assert "teleport" in (results(tmp_path / "out") / "summary.csv").read_text()


def test_diverged_run_keeps_its_curves_and_counts_as_a_miss(plugin, tmp_path, capsys):
    assert main([*plugin, "--set", "teleport.mode=nan"]) == 0
    table = pd.read_csv(results(tmp_path / "out") / "metrics.csv")
    assert set(table["status"]) == {"diverged"} and 0 in set(table["step"])
    summary = pd.read_csv(results(tmp_path / "out") / "summary.csv").set_index("metric")
    assert summary.loc["modes_covered", "mean"] == 0
    assert summary.loc["intra_mode_kl", "mean"] == float("inf")
    assert (summary["missed"] == 2).all()
    assert "2 (2 missed)" in capsys.readouterr().out


@pytest.mark.parametrize("mode, jobs, reason", [("raise", "1", "out of luck"), ("die", "2", "7")])
def test_failing_method_does_not_stop_the_others(plugin, tmp_path, capsys, mode, jobs, reason):
    command = [*plugin, "--methods", "teleport,oracle", "--jobs", jobs]
    assert main([*command, "--set", f"teleport.mode={mode}"]) == 1
    summary = pd.read_csv(results(tmp_path / "out") / "summary.csv")
    missed = summary.groupby("method")["missed"].first()
    assert missed["oracle"] == 0 and missed[f"teleport[mode={mode}]"] == 2
    assert reason in capsys.readouterr().err


def test_reproduce_draws_and_report_redraws_the_same_bytes(tmp_path):
    sizes = [f"--set={d}.{k}" for d in ("ring", "grid") for k in
             ("iterations=2", "batch=8", "final_samples=2000", "eval_samples=500")]  # fmt: skip
    command = ["--preset", "smoke", "--seeds", "0", *sizes, "--out", str(tmp_path), "--jobs", "1"]
    command += ["--set", "lbt.M=1", "--set", "lbt_gan.M=1", "--reproduce", "fig2,fig3"]
    assert main(command) == 0
    folder = results(tmp_path)
    paths = sorted(folder.glob("figures/*")) + sorted(folder.glob("*.csv"))
    assert {p.name for p in paths} >= {"fig2.png", "fig2.svg", "fig3.png", "fig3_seconds.svg"}
    before = {p: p.read_bytes() for p in paths}
    assert main([*command, "--report"]) == 0
    assert all(p.read_bytes() == content for p, content in before.items())


def test_a_preset_without_the_grid_still_draws(tmp_path, capsys):
    sizes = ["ring.iterations=2", "ring.batch=8", "ring.final_samples=2000"]
    command = [
        "--preset",
        "ring-authors-batch",
        "--seeds",
        "0",
        *(f"--set={s}" for s in sizes),
        "--jobs",
        "1",
    ]
    command += ["--methods", "gan,oracle", "--reproduce", "fig2,fig3", "--out", str(tmp_path)]
    assert main(command) == 0
    assert len(list(tmp_path.glob("*/figures/*.png"))) == 3


def test_plan_starts_nothing(tmp_path, capsys):
    assert main(["--plan", "--reproduce", "fig2", "--out", str(tmp_path)]) == 0
    assert "runs to do, 0 finished" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
