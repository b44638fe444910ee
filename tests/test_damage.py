"""Damaged checkpoints, failing disks and many writers: all noticed, nothing lost."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import subprocess
import sys
import time

import pytest
import torch
from faults import LONG, ROOT, SIZE, finish, results, start, wait_for

from benchmark.cli import main
from benchmark.core.errors import StorageError
from benchmark.core.files import read_json
from benchmark.execution.how import Execution
from benchmark.execution.worker import failures, set_aside
from benchmark.experiments.job import Job
from benchmark.results.collect import collect
from benchmark.store import checkpoints
from benchmark.store.code import code_version
from benchmark.store.folder import RunFolder
from benchmark.store.lock import Held

DAMAGES = 1000 if LONG else 100  # of each kind
COMMITS = 1000 if LONG else 40  # of each of WRITERS processes
SHARED, WRITERS = 20, 8


def value(step: int) -> dict:
    """A checkpoint as the loop saves it."""
    generator = torch.Generator().manual_seed(step)
    return {
        "step": step, "rows": [{"step": 0, "seconds": 0.0, "metric": "m", "value": 1.0}],
        "logs": {"loss": 0.5}, "train_seconds": 1.0, "started": "now", "device": "cpu",
        "state": {"theta": {"w": torch.randn(100, 70, generator=generator)}},
    }  # fmt: skip


def folder_of(path, seed: int = 0) -> RunFolder:
    (run,) = Job("smoke", seeds=(seed,)).runs("ring", "gan")
    return RunFolder(path, run, "code")


@pytest.fixture
def saved(tmp_path) -> RunFolder:
    """A run with two checkpoints, of steps 1 and 2."""
    folder = folder_of(tmp_path)
    folder.open()
    folder.save_checkpoint(value(1))
    folder.save_checkpoint(value(2))
    return folder


def same(a: dict, b: dict) -> bool:
    return a["step"] == b["step"] and checkpoints.digest(a["state"]) == checkpoints.digest(
        b["state"]
    )


def test_the_last_two_are_kept_and_load_as_saved(saved):
    assert same(saved.load_checkpoint(), value(2))
    saved.checkpoint.unlink()
    assert same(saved.load_checkpoint(), value(1))
    saved.remove_checkpoints()
    assert saved.load_checkpoint() is None


def test_every_flipped_bit_and_truncation_is_noticed(saved):
    content = saved.checkpoint.read_bytes()
    draw = random.Random(0)
    for _ in range(DAMAGES):
        place = draw.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        for damaged in (bytes(flipped), content[: draw.randrange(len(content))]):
            with pytest.raises(checkpoints.Damaged):
                checkpoints.decoded(damaged)
    assert same(checkpoints.decoded(content), value(2))


def test_saving_costs_at_most_one_per_cent_of_the_default_interval(tmp_path):
    """At the size of LBT-GAN's state on the ring, 1.4 MB; 60 s between checkpoints."""
    folder, large = folder_of(tmp_path), value(1)
    large["state"]["theta"]["w"] = torch.randn(340_000)
    folder.open()
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        folder.save_checkpoint(large)
        seconds.append(time.perf_counter() - began)
    assert sorted(seconds)[2] < 0.01 * 60


def test_a_damaged_one_is_reported_and_the_one_before_it_used_and_kept(saved, capsys):
    content = bytearray(saved.checkpoint.read_bytes())
    content[len(content) // 2] ^= 4
    saved.checkpoint.write_bytes(content)
    assert same(saved.load_checkpoint(), value(1))
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{saved.checkpoint}: damaged" in error
    saved.save_checkpoint(value(3))
    saved.checkpoint.write_bytes(b"")
    assert same(saved.load_checkpoint(), value(1))  # not replaced by the damaged one


class Hostile:
    """Runs code where it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize("content", [Hostile(), {"step": Hostile()}, [1], {"step": 3}])
def test_a_hostile_file_executes_nothing(saved, content, capsys):
    checkpoints.save(saved.checkpoint, content)  # with a correct SHA-256
    assert same(saved.load_checkpoint(), value(2))
    assert "damaged" in capsys.readouterr().err


STEPS = ["tempfile.mkstemp", "os.fdopen", "os.fsync", "os.chmod", "os.replace", "os.open"]


class Failing:
    """A function of the system that fails at its n-th call."""

    def __init__(self, function, n: int) -> None:
        self.function, self.left = function, n

    def __call__(self, *arguments, **options):
        self.left -= 1
        if self.left == 0:
            raise OSError(28, "No space left on device")
        return self.function(*arguments, **options)


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("step", STEPS)
def test_every_write_of_a_save_may_fail(saved, monkeypatch, step, call):
    import importlib

    module, name = step.split(".")
    module = importlib.import_module(module)
    failing = Failing(getattr(module, name), call)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, failing)
        try:
            saved.save_checkpoint(value(3))
        except StorageError as error:
            assert "No space left" in str(error) and "checkpoint.pt" in str(error) or name == "open"
    loaded = saved.load_checkpoint()
    assert any(same(loaded, value(n)) for n in (2, 3))
    assert failing.left > 0 or not list(saved.path.glob("*.part"))
    saved.save_checkpoint(value(4))
    assert same(saved.load_checkpoint(), value(4))


def test_a_disk_that_fails_ends_the_command_with_code_3_and_it_continues(tmp_path, capsys):
    """Writes fail one after another from the first on; then the cause is gone."""
    command = ["--methods", "gan", *SIZE, "--jobs", "1", "--out"]
    assert main([*map(str, [*command, tmp_path / "whole"])]) == 0
    out, codes = tmp_path / "broken", []
    replace = os.replace
    for n in range(1, 60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", Failing(replace, n))
            codes.append(main([*map(str, [*command, out])]))
        error = capsys.readouterr().err
        if codes[-1] == 0:
            break
        lines = [line for line in error.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1 and "No space left on device" in lines[0] and str(out) in lines[0]
    assert codes[-1] == 0 and set(codes[:-1]) == {3} and len(codes) > 3
    assert results(out) == results(tmp_path / "whole")


def test_a_limit_on_file_size_is_told_in_one_line(tmp_path):
    """A real error of the system, in a worker process: files end at 2 kB."""
    command = ["--methods", "gan,lsgan", *SIZE, "--jobs", "2", "--out", tmp_path / "out"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # noqa: E731
    done = finish(command, preexec_fn=limit)
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"error: {tmp_path}")
    assert "File too large" in done.stderr and "Traceback" not in done.stderr
    assert finish(command).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        command = ["--methods", "gan,vae", *SIZE, "--jobs", "1", "--out", disk]
        done = finish(command)
        assert done.returncode == 3 and "No space left on device" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        assert finish(command).returncode == 0
        assert len(results(disk)) == 2
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_standard_output_may_be_full():
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "benchmark", "--list"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert process.returncode == 3 and process.stderr.count("\n") == 1, process.stderr


def test_a_run_started_twice_is_trained_once(tmp_path):
    command = ["--methods", "gan", *SIZE, "--set=ring.iterations=3000", "--no-compile"]
    command += ["--jobs", "1", "--out", tmp_path]
    first = start(command)
    wait_for(lambda: list(tmp_path.rglob(".seed0.lock")))
    time.sleep(0.3)
    second = finish(command)
    assert second.returncode == 1
    assert f"held: ring/gan seed 0: held by process {first.pid} on " in second.stderr
    first.kill()
    first.communicate()
    assert list(tmp_path.rglob(".seed0.lock"))  # left by the dead one, and taken over
    third = start(command)
    time.sleep(1.0)
    third.terminate()
    assert "held" not in third.communicate()[1]


def commit(path, me: int, tally) -> None:
    """One of WRITERS processes: its own runs, and those that all want."""
    mine = [me * COMMITS + i for i in range(COMMITS)]
    shared = [WRITERS * COMMITS + i for i in range(SHARED)]
    for seed in mine + shared:
        folder = folder_of(path, seed)
        while True:
            try:
                with folder.lock():
                    if not folder.finished():
                        folder.open()
                        rows = [{"step": 1, "seconds": 0.0, "metric": "modes_covered", "value": 1}]
                        folder.write_metrics(rows)
                        folder.write_provenance({"status": "complete", "started": str(me)})
                        with tally.get_lock():
                            tally.value += 1
                break
            except Held:
                time.sleep(0.01)


def test_many_processes_commit_into_one_folder(tmp_path):
    context = multiprocessing.get_context("fork")
    tally = context.Value("i", 0)
    writers = [context.Process(target=commit, args=(tmp_path, i, tally)) for i in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [w.exitcode for w in writers] == [0] * WRITERS
    expected = WRITERS * COMMITS + SHARED
    assert tally.value == expected
    table = collect(tmp_path, "smoke")
    assert sorted(table["seed"]) == list(range(expected))
    records = (tmp_path / "smoke" / "runs" / "ring" / "gan").glob("*/provenance.json")
    assert all(read_json(path)["status"] == "complete" for path in records)


@pytest.mark.parametrize("content", [b"", b"step,seconds\n0,0.0\n", b"\xff\x00"])
def test_damaged_metrics_are_named_in_one_line(content, tmp_path, capsys):
    command = ["--methods", "oracle", "--preset", "smoke", "--seeds", "0", "--out", str(tmp_path)]
    assert main(command) == 0
    (path,) = tmp_path.glob("smoke/runs/*/*/*/metrics.csv")
    path.write_bytes(content)
    capsys.readouterr()
    assert main(["--report", "--preset", "smoke", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{path}: damaged" in error


@pytest.fixture
def older(tmp_path) -> tuple[RunFolder, Execution]:
    """A finished run of a version of the code that is gone, and how to train the one of today."""
    (run,) = Job("smoke", seeds=(0,)).runs("ring", "gan")
    old = RunFolder(tmp_path, run, "older code")
    old.open()
    old.write_provenance({"status": "complete", "commit": "older"})
    new = RunFolder(tmp_path, run, code_version(run.module, run.source))
    return new, Execution(tmp_path, jobs=1, device="cpu")


def kept(folder: RunFolder) -> list[str]:
    """Commits of the runs that lie aside."""
    places = folder.path.parent.glob(f"{folder.path.name}.*")
    return [read_json(place / "provenance.json").get("commit", "") for place in places]


def test_a_failure_before_the_start_leaves_the_record_of_an_older_version(older):
    folder, how = older
    failures([folder.run], how, "no luck")
    record = read_json(folder.path / "provenance.json")
    assert record["reason"] == "no luck" and folder.matches()
    assert kept(folder) == ["older"]


def test_what_is_trained_again_is_set_aside_once(older):
    folder, how = older
    set_aside([folder.run], how)
    folder.write_provenance({"status": "complete", "commit": "newer"})
    with folder.lock():  # of another process
        set_aside([folder.run], how)
    assert kept(folder) == ["older"] and folder.finished()
    set_aside([folder.run], how)
    assert sorted(kept(folder)) == ["newer", "older"] and not folder.finished()
