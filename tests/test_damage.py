"""Damaged checkpoints and failing disks: all noticed, nothing lost."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time

import pytest
import torch
from faults import LONG, ROOT, SIZE, finish, folder_of, results

from benchmark.cli import main
from benchmark.core.errors import StorageError
from benchmark.store import checkpoints
from benchmark.store.folder import RunFolder

DAMAGES = 1000 if LONG else 100  # of each kind


def value(step: int) -> dict:
    """A checkpoint as the loop saves it."""
    generator = torch.Generator().manual_seed(step)
    return {
        "step": step, "rows": [{"step": 0, "seconds": 0.0, "metric": "m", "value": 1.0}],
        "logs": {"loss": 0.5}, "train_seconds": 1.0, "started": "now", "device": "cpu",
        "engine": "eager", "made": {},
        "state": {"theta": {"w": torch.randn(100, 70, generator=generator)}},
    }  # fmt: skip


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


STEPS = ["os.open", "os.fdopen", "os.fsync", "os.replace"]


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
