"""Methods that raise, hang, die or eat memory become rows; the others go on."""

from __future__ import annotations

import pandas as pd
import pytest
from faults import SIZE, alive, wait_for

from benchmark.cli import main
from benchmark.core.files import read_json

PLUGIN = '''"""Trouble: fails in the way it is told to."""
import os, time, torch
from methods.base import Method, MethodConfig, Spec

class Config(MethodConfig):
    how: str = "raise"

def trouble(how):
    if how == "raise":
        raise RuntimeError("\\x1b[31mout of luck")
    if how == "exit":
        os._exit(0)
    if how == "leave":
        raise SystemExit(5)
    if how == "abort":
        os.abort()
    if how == "hang":
        while True:
            try:
                time.sleep(3600)
            except BaseException:
                pass
    held = []
    while how == "eat":
        held.append(torch.ones(10_000_000))

def build(spec: Spec, cfg: Config) -> Method:
    def step(state, batch):
        trouble(cfg.how)
        return state, {"loss": batch["x"].sum()}
    def sample(state, z):
        return z[:, :2]
    return Method(lambda seed: {"theta": torch.zeros(2)}, step, sample, ("x",), {})
'''
WAYS = {
    "raise": ([], "RuntimeError: \ufffd[31mout of luck"),
    "exit": ([], "its process died with exit code 0"),
    "leave": ([], "exit code 5"),
    "abort": ([], "its process died with signal SIGABRT"),
    "hang": (["--timeout", "12"], "took longer than --timeout 12 s"),
    "eat": (["--max-rss", "1.5"], "took more memory than --max-rss 1.5 GB"),
}


@pytest.mark.parametrize("how", WAYS)
def test_trouble_becomes_a_row_and_the_others_go_on(how, tmp_path, capsys):
    plugin = tmp_path / "trouble.py"
    plugin.write_text(PLUGIN)
    options, reason = WAYS[how]
    command = ["--plugin", plugin, "--methods", "trouble,oracle", *SIZE, "--jobs", "1"]
    command += [f"--set=trouble.how={how}", *options, "--out", tmp_path / "out"]
    assert main([*map(str, command)]) == 1
    label = f"trouble[how={how}]"
    error = capsys.readouterr().err
    assert f"failed: ring/{label} seed 0: " in error and reason in error
    assert "\x1b" not in error and "Traceback" not in error
    (out,) = (tmp_path / "out").glob("smoke*")
    missed = pd.read_csv(out / "summary.csv").groupby("method")["missed"].first()
    assert missed["oracle"] == 0 and missed[label] == 1
    record = read_json(out / "runs" / "ring" / label / "seed0" / "provenance.json")
    assert record["status"] == "failed" and reason in record["reason"]


def test_limits_must_make_sense(capsys):
    for option in ("--timeout", "--max-rss", "--checkpoint-seconds"):
        for value in ("0", "-1", "nan", "inf"):
            assert main([f"{option}={value}", "--plan"]) == 2
            assert f"{option} {value}: must be positive" in capsys.readouterr().err


FORKING = PLUGIN.replace(
    "    held = []",
    """    for _ in range(5 if how in ("copy", "leaving", "orphans") else 0):
        pid = os.fork()
        if pid:
            with open(os.environ["PIDS"], "a") as file:
                file.write(f"{pid}\\n")
        elif how == "copy":
            return
        elif how == "leaving":
            sys.exit(0)
        else:
            time.sleep(3600)
    if how == "orphans":
        raise RuntimeError("left five behind")
    held = []""",
).replace("import os, time", "import os, sys, time")


@pytest.mark.parametrize("how, code", [("copy", 0), ("leaving", 0), ("orphans", 1)])
def test_a_plugin_that_forks_has_one_result_and_leaves_no_process(
    how, code, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    plugin = tmp_path / "trouble.py"
    plugin.write_text(FORKING)
    command = ["--plugin", plugin, "--methods", "trouble,oracle", *SIZE, "--jobs", "1"]
    command += ["--set=ring.iterations=1", f"--set=trouble.how={how}", "--out", tmp_path / "out"]
    assert main([*map(str, command)]) == code
    assert "Traceback" not in capsys.readouterr().err
    table = pd.read_csv(next((tmp_path / "out").glob("smoke*/metrics.csv")))
    status = table.groupby("method")["status"].first()
    assert status["oracle"] == "complete"
    assert status[f"trouble[how={how}]"] == ("failed" if code else "complete")
    forked = [int(line) for line in (tmp_path / "pids").read_text().split()]
    wait_for(lambda: not any(map(alive, forked)), seconds=5)
    assert len(forked) == 5
