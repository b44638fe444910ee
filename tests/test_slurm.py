"""Against a real SLURM of one node, started here where its packages are installed."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from faults import LONG, ROOT, finish, results, start, wait_for

from benchmark.cli import main
from benchmark.core.errors import UserError
from benchmark.execution import cluster
from benchmark.execution.how import Execution, Slurm
from benchmark.experiments.job import Job

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "squeue")
# A second or more of training a run, in checkpoints of a tenth of a second.
COMMAND = [
    "--preset", "smoke", "--methods", "gan,lsgan,oracle", "--seeds", "0,1", "--no-compile",
    "--set=ring.iterations=600", "--set=ring.batch=8", "--set=ring.final_samples=5000",
    "--set=ring.eval_samples=1000", "--checkpoint-seconds", "0.1",
]  # fmt: skip
ON_SLURM = ["--launcher", "slurm", "--slurm-time", "0.2", "--slurm-mem", "1"]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and slurm-wlm and munge; missing: {', '.join(missing) or 'root'}")
    folder = tmp_path_factory.mktemp("slurm")
    script = ["bash", str(ROOT / "tests" / "slurm_here.sh")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        begun = subprocess.run([*script, "start", folder], capture_output=True, text=True)
        try:
            if begun.returncode:
                pytest.skip(f"SLURM does not start here: {begun.stderr}")
            yield folder
        finally:
            subprocess.run(["scancel", "--me"], check=False)
            subprocess.run([*script, "stop", folder], check=True, capture_output=True)


def ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def running() -> list[str]:
    """Our tasks that run."""
    command = ("squeue", "--noheader", "--array", "--name=lbt-bench", "--format=%i %T")
    lines = [line.split() for line in ask(*command).splitlines()]
    return [job for job, state in lines if state == "RUNNING"]


def checkpoints(out: Path) -> list[Path]:
    return list(out.rglob("checkpoint.pt"))


@pytest.mark.slow
@pytest.mark.skipif(not LONG, reason="two minutes and more; set LBT_BENCH_LONG_TESTS")
def test_six_runs_one_of_them_preempted_equal_the_local_ones(slurm, tmp_path):
    local, out = tmp_path / "local", tmp_path / "slurm"
    process = start([*COMMAND, *ON_SLURM, "--out", out])
    wait_for(lambda: running() and checkpoints(out))
    urgent = ["sbatch", "--partition=high", "--cpus-per-task=1", "--output=/dev/null"]
    before = running()
    ask(*urgent, "--exclusive", "--wrap=sleep 2")
    wait_for(lambda: any(restarts(job) for job in before))
    preempted = [job for job in before if restarts(job)]
    for job in preempted:  # SLURM would wait two minutes
        ask("scontrol", "update", f"JobId={job}", "StartTime=now")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert finish([*COMMAND, "--jobs", "1", "--out", local]).returncode == 0
    assert len(results(local)) == 6
    assert results(out) == results(local)
    print(f"{len(preempted)} of 6 preempted")


def restarts(job: str) -> int:
    """How often SLURM has queued a task again."""
    done = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True)
    return int(done.stdout.partition("Restarts=")[2].partition(" ")[0] or 0)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_in_the_queue(slurm, tmp_path, number):
    long = ["--set=ring.iterations=100000", "--checkpoint-seconds", "1000"]
    process = start([*COMMAND, *long, *ON_SLURM, "--out", tmp_path])
    wait_for(lambda: list(tmp_path.rglob("settings.json")))
    time.sleep(2)
    sent = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and time.monotonic() - sent < 6, err
    wait_for(lambda: not ask("squeue", "--noheader"), seconds=15)
    assert checkpoints(tmp_path)


@pytest.mark.slow
def test_an_unknown_partition_is_refused_in_one_line(slurm, tmp_path):
    command = [*COMMAND, *ON_SLURM, "--slurm-partition", "nowhere", "--out", tmp_path]
    done = finish(command)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: --launcher slurm: ")


def test_without_slurm_it_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main([*COMMAND, "--launcher", "slurm", "--out", str(tmp_path)]) == 2
    assert "error: --launcher slurm: there is no sbatch here" in capsys.readouterr().err


def test_options_reach_submitit():
    chosen = cluster.parameters(Slurm("gpu", 1.5, 2, 8.0), parallel=7)
    assert chosen["slurm_partition"] == "gpu" and chosen["timeout_min"] == 90
    assert chosen["gpus_per_node"] == 2 and chosen["mem_gb"] == 8.0
    assert chosen["slurm_array_parallelism"] == 7


def test_options_must_make_sense(capsys):
    for option in ("--slurm-time=0", "--slurm-mem=nan", "--slurm-gpus=-1"):
        assert main(["--launcher", "slurm", option, "--plan"]) == 2
        assert option.partition("=")[0] in capsys.readouterr().err


def test_tasks_have_a_folder_for_this_user_alone(tmp_path, monkeypatch):
    first, second = cluster.private(tmp_path / "mine"), cluster.private(tmp_path / "mine")
    assert first != second and first.stat().st_mode & 0o777 == 0o700
    (tmp_path / "mine").chmod(0o777)
    with pytest.raises(UserError, match="other users may write in"):
        cluster.private(tmp_path / "mine")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)  # a folder of somebody else's
    with pytest.raises(UserError, match="other users may write in"):
        cluster.private(tmp_path / "mine")


class Planted:
    """Runs code where it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize("how", ["elsewhere", "link", "another folder"])
def test_a_planted_result_is_not_read(tmp_path, how):
    events = []
    (run,) = Job("smoke", seeds=(0,)).runs("ring", "gan")
    submitted = cluster.Cluster([run], Execution(tmp_path, jobs=1), events.append)
    submitted.folder = cluster.private(tmp_path / "smoke")
    submitted.identity = cluster.inode(submitted.folder)
    planted = tmp_path / "1_0_result.pkl"
    planted.write_bytes(pickle.dumps(("success", Planted())))
    path = submitted.folder / planted.name
    if how == "elsewhere":
        path = planted
    elif how == "link":
        path.symlink_to(planted)
    else:
        submitted.folder.rename(tmp_path / "aside")
        submitted.folder.mkdir(0o700)
        shutil.copy(planted, path)
    job = Mock()
    job.paths.result_pickle, job.result = path, lambda: pickle.loads(path.read_bytes())
    submitted.open = {job: [run]}
    submitted._collect(job)
    assert [e.status for e in events] == ["failed"] and "not what its task wrote" in events[
        0
    ].reason
