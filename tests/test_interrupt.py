"""Killed at any moment, stopped by any signal: the same command continues, to equal results."""

from __future__ import annotations

import random
import signal
import time

import pytest
from faults import ALL, LONG, SIZE, alive, children, finish, kill_after, results, start, wait_for

KILLS, KILLED = (100, ALL) if LONG else (4, "gan,lbt,veegan")
# A method whose steps and measurements never end by themselves, in Python and out of it.
ENDLESS = '''"""Endless: hangs where it is told to."""
import time, torch
from methods.base import Method, MethodConfig, Spec

class Config(MethodConfig):
    where: str = "step"

def build(spec: Spec, cfg: Config) -> Method:
    def hang(where):
        if cfg.where == where:
            print(f"hanging in {where}", flush=True)
            while True:
                try:
                    time.sleep(3600)
                except Exception:
                    pass
    def init(seed):
        hang("init")
        return {"theta": torch.zeros(2)}
    def step(state, batch):
        hang("step")
        return {"theta": state["theta"] + 1}, {"loss": state["theta"].sum()}
    def sample(state, z):
        hang("sample")
        return state["theta"] + z[:, :2]
    return Method(init, step, sample, ("x",), {})
'''


@pytest.mark.slow
def test_killed_at_random_moments_and_continued(tmp_path):
    """kill -9 over several methods, in one process and in two, until the job is done; again until
    there were enough kills. Results equal those of an unbroken run, by hash.
    """
    draw = random.Random(int.from_bytes(b"kill"))
    command = ["--methods", KILLED, *SIZE, "--out"]
    began = time.monotonic()
    assert finish([*command, tmp_path / "whole", "--jobs", "1"]).returncode == 0
    length = time.monotonic() - began
    expected = results(tmp_path / "whole")
    assert len(expected) == len(KILLED.split(","))
    kills = rounds = 0
    while kills < KILLS:
        out = tmp_path / f"broken{rounds}"
        jobs = ["--jobs", str(1 + rounds % 2)]
        while kills < KILLS and kill_after([*command, out, *jobs], draw.uniform(0.3, length)):
            kills += 1
        done = finish([*command, out, *jobs])
        assert done.returncode == 0, done.stderr
        assert results(out) == expected
        assert not list(out.rglob("*.part"))
        rounds += 1
        print(f"{kills} kills", flush=True)
    print(f"{kills} kills in {rounds} rounds, {length:.1f} s unbroken")


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_leaves_within_five_seconds(tmp_path, number, jobs):
    command = ["--methods", "gan,lsgan", *SIZE, "--set=ring.iterations=3000", "--no-compile"]
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("ignored here, as under nohup")
    command += ["--jobs", jobs, "--checkpoint-seconds", "1000", "--out", tmp_path]
    process = start(command)
    training = lambda: len(list(tmp_path.rglob("settings.json"))) >= int(jobs)  # noqa: E731
    wait_for(training)
    time.sleep(1.0)  # into the loop
    workers = children(process.pid)
    sent = time.monotonic()
    process.send_signal(number)
    time.sleep(0.05)
    process.send_signal(number)  # a second one is safe
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - sent < 5
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted; the same command continues"
    assert "Traceback" not in err
    wait_for(lambda: not any(alive(pid) for pid in workers), seconds=2)
    assert len(list(tmp_path.rglob("checkpoint.pt"))) == int(jobs)
    assert not list(tmp_path.rglob("*.lock"))


@pytest.mark.parametrize("where", ["init", "step", "sample"])
def test_a_signal_ends_what_hangs(tmp_path, where):
    plugin = tmp_path / "endless.py"
    plugin.write_text(ENDLESS)
    command = ["--plugin", plugin, "--methods", "endless", *SIZE, "--jobs", "1"]
    process = start([*command, f"--set=endless.where={where}", "--out", tmp_path / "out"])
    assert "hanging in" in process.stdout.readline()
    workers = children(process.pid)
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert time.monotonic() - sent < 5
    assert process.returncode == 130
    wait_for(lambda: not any(alive(pid) for pid in workers), seconds=2)


def test_a_killed_parent_leaves_no_worker_behind(tmp_path):
    command = ["--methods", "gan,lsgan", *SIZE, "--set=ring.iterations=100000", "--jobs", "2"]
    process = start([*command, "--no-compile", "--out", tmp_path])
    wait_for(lambda: len(list(tmp_path.rglob("settings.json"))) == 2)
    workers = children(process.pid)
    process.kill()
    process.communicate()
    wait_for(lambda: not any(alive(pid) for pid in workers), seconds=5)


@pytest.mark.slow
def test_a_signal_amid_compilation_leaves_within_five_seconds(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    command = ["--methods", "lbt", *SIZE, "--set=ring.iterations=2000", "--jobs", "1"]
    command += ["--engine", "compiled"]
    process = start([*command, "--out", tmp_path / "out"])
    wait_for(lambda: (tmp_path / "cache").exists())
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - sent < 5 and process.returncode == 130, err
    assert "Traceback" not in err
