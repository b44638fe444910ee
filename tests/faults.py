"""Tools of the tests that break things: commands as processes of their own, results by hash."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmark.core.files import read_json, write_json
from benchmark.experiments.job import Job
from benchmark.store.folder import RunFolder
from methods import REGISTRY

ROOT = Path(__file__).resolve().parent.parent
ALL = ",".join(REGISTRY)
LONG = os.environ.get("LBT_BENCH_LONG_TESTS")  # set: the counts that docs/RELIABILITY.md reports
# Every method in about ten seconds: short inner loops, small batches, a measurement at the end that
# takes long enough to be hit.
SIZE = [
    "--preset", "smoke", "--seeds", "0", "--no-figures",
    *(f"--set={name}.{key}=2" for name in ("lbt", "lbt_gan") for key in ("M", "K")),
    "--set=unrolled_gan.K=2", "--set=ring.batch=8", "--set=ring.final_samples=10000",
    "--set=ring.eval_samples=2000", "--set=ring.iterations=40", "--set=ring.z_dim=40",
    "--checkpoint-seconds", "0.05",
]  # fmt: skip


def start(arguments: list[str], **options) -> subprocess.Popen:
    """``python -m benchmark`` as a process group of its own, its output piped."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmark", *map(str, arguments)],
        cwd=ROOT, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def finish(arguments: list[str], **options) -> subprocess.CompletedProcess:
    """The command, run to its end."""
    process = start(arguments, **options)
    out, err = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def kill_after(arguments: list[str], seconds: float) -> bool:
    """Start the command and kill -9 it after that time; whether it was still running."""
    process = start(arguments)
    time.sleep(seconds)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return running


def results(out: Path) -> dict[str, str]:
    """Every finished run by its place, as a hash of all that it measured and of its final weights:
    everything but the seconds, which no two executions share.
    """
    found = {}
    for path in sorted(out.glob("*/runs/*/*/seed*/provenance.json")):
        record, lines = read_json(path), path.with_name("metrics.csv").read_text().splitlines()
        values = [tuple(line.split(",")[i] for i in (0, 2, 3)) for line in lines]
        content = path.with_name("samples.npz").read_bytes()
        parts = repr((record["status"], record["state_sha256"], values)).encode() + content
        found[str(path.parent.relative_to(out))] = hashlib.sha256(parts).hexdigest()
    return found


def folder_of(path: Path, seed: int = 0) -> RunFolder:
    """The folder of a run of GAN on the ring, by a version of the code named ``code``."""
    (run,) = Job("smoke", seeds=(seed,)).runs("ring", "gan")
    return RunFolder(path, run, "code")


def wait_for(condition, seconds: float = 60.0) -> None:
    """Until the condition holds. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    """Process numbers of a process's children."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(p) for p in path.read_text().split()] if path.exists() else []


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def unsealed(folder: Path) -> None:
    """Make a run as older ones are, without hashes of its files."""
    path = folder / "provenance.json"
    record = read_json(path)
    write_json(path, {k: v for k, v in record.items() if k not in ("sha256", "files", "place")})
