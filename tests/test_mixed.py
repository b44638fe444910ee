"""A run is of one engine, or says that it is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from faults import ROOT, SIZE, results

from benchmark.cli import main
from benchmark.core.errors import Refused
from benchmark.experiments.job import Job
from benchmark.store.folder import RunFolder
from benchmark.training import compile
from benchmark.training.compile import Jit
from benchmark.training.loop import execute
from methods import kernels

SMALL = ("ring.iterations=10", "ring.batch=8", "ring.final_samples=1000", "ring.evaluations=2")


class Stop(Exception):
    pass


class Compiled(Jit):
    """Says that it compiles, which takes a minute."""

    def _compiled(self, fn):
        self._proven = True
        return fn


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """A run that a compiled process has begun, 512 bits wide; and how to go on."""
    monkeypatch.setattr(compile, "_vector_width", lambda: 512)
    (run,) = Job("smoke", SMALL, seeds=(0,)).runs("ring", "gan")
    folder = RunFolder(tmp_path, run, "code")

    def go(jit, at=None):
        def stop(step):
            if step == at:
                raise Stop

        folder.open()
        return execute([run], [folder], jit=jit, progress=stop)

    with pytest.raises(Stop):
        go(Compiled(), 5)
    return folder, go


def record(folder) -> dict:
    return json.loads((folder.path / "provenance.json").read_text())


def test_the_checkpoint_knows_its_engine_and_width(stopped):
    folder, go = stopped
    saved = folder.load_checkpoint()
    assert saved["engine"] == "compiled" and saved["made"]["vector_width"] == 512
    go(Compiled())
    assert record(folder)["engine"] == "compiled" and record(folder)["vector_width"] == 512


def test_another_engine_is_refused_and_changes_nothing(stopped):
    folder, go = stopped
    before = folder.checkpoint.read_bytes()
    with pytest.raises(Refused, match="made with engine compiled, and this is eager; --mixed-eng"):
        go(Jit(enabled=False))
    assert folder.checkpoint.read_bytes() == before
    go(Compiled())
    assert record(folder)["engine"] == "compiled"


def test_a_compiler_that_is_gone_is_refused_after_the_first_step(stopped, monkeypatch, capsys):
    folder, go = stopped
    before = folder.checkpoint.read_bytes()

    def broken(*args, **kwargs):
        def call(*args):
            raise RuntimeError("no compiler here")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(Refused, match="engine compiled, and this is eager"):
        go(Jit())
    assert folder.checkpoint.read_bytes() == before
    go(Jit(mixing=True))
    found = record(folder)
    assert found["engine"] == "mixed" and found["compiled"] is False


def test_another_width_is_refused_or_mixed_and_stays_so(stopped, monkeypatch):
    folder, go = stopped
    monkeypatch.setattr(compile, "_vector_width", lambda: 256)
    with pytest.raises(Refused, match="made with vector width 512, and this is 256"):
        go(Compiled())
    with pytest.raises(Stop):
        go(Compiled(mixing=True), 8)
    monkeypatch.setattr(compile, "_vector_width", lambda: 512)
    go(Compiled())
    assert record(folder)["engine"] == "mixed"


@pytest.mark.skipif(kernels.library() is None, reason="no compiler for kernels")
def test_native_kernels_are_an_engine_with_a_width(tmp_path):
    (run,) = Job("smoke", SMALL, seeds=(0,)).runs("ring", "gan")
    folder = RunFolder(tmp_path, run, "code")

    def go(native=True, jit=None, at=None):
        def stop(step):
            if step == at:
                raise Stop

        folder.open()
        return execute([run], [folder], jit=jit, native=native, progress=stop)

    with pytest.raises(Stop):
        go(at=5)
    saved = folder.load_checkpoint()
    width = 32 * kernels.library().lbt_width()
    assert saved["engine"] == "native" and saved["made"]["kernel_width"] == width
    with pytest.raises(Refused, match="made with engine native, and this is eager"):
        go(native=False)
    with pytest.raises(Refused, match="made with compiler off, and this is on"):
        go(jit=Compiled())
    narrower = saved["made"] | {"kernel_width": width // 2}
    folder.save_checkpoint(saved | {"made": narrower})
    with pytest.raises(Refused, match=f"made with kernel width {width // 2}, and this is {width}"):
        go()
    folder.save_checkpoint(saved)
    go()
    assert record(folder)["engine"] == "native" and record(folder)["compiled"] is False


def test_what_asks_for_no_compiler_is_eager_however_often_it_is_stopped(tmp_path):
    (run,) = Job("smoke", SMALL, seeds=(0,)).runs("ring", "oracle")
    folder = RunFolder(tmp_path, run, "code")

    def stop(step):
        if step == 5:
            raise Stop

    folder.open()
    with pytest.raises(Stop):
        execute([run], [folder], jit=Jit(), progress=stop)
    execute([run], [folder], jit=Jit())
    assert record(folder)["engine"] == "eager" and record(folder)["compiled"] is False


def test_what_fails_to_compile_later_is_mixed(monkeypatch, capsys):
    calls = []

    def second_breaks(fn, **kwargs):
        calls.append(fn)
        return fn if len(calls) == 1 else None  # calling None is an error

    monkeypatch.setattr(torch, "compile", second_breaks)
    jit = Jit()
    one, two = jit(lambda x: x), jit(lambda x: 2 * x)
    assert jit.engine == "compiled"
    one(torch.ones(())), two(torch.ones(()))
    assert jit.engine == "mixed"
    assert "compile cache: /" in capsys.readouterr().err


def test_a_command_says_that_it_was_refused_and_records_no_failure(tmp_path, monkeypatch, capsys):
    command = ["--methods", "gan,oracle", *SIZE, "--jobs", "1", "--no-compile"]
    command += ["--out", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setattr(Jit, "engine", "compiled")
        patch.setattr(RunFolder, "write_metrics", lambda *_: (_ for _ in ()).throw(Stop))
        assert main(command) == 1  # saves checkpoints, and fails to end
    for path in tmp_path.rglob("provenance.json"):
        path.unlink()
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "refused: ring/gan seed 0: its checkpoint was made with engine compiled" in error
    assert not list(tmp_path.rglob("provenance.json"))
    assert main([*command, "--mixed-engines"]) == 0
    assert len(results(tmp_path)) == 2


def test_a_narrow_width_is_a_damaged_cache_where_a_fresh_one_is_wider(monkeypatch, tmp_path):
    from torch._inductor import cpu_vec_isa

    wide, narrow = cpu_vec_isa.VecAVX512, cpu_vec_isa.InvalidVecISA()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(cpu_vec_isa, "pick_vec_isa", lambda: narrow)
    monkeypatch.setattr(wide, "check_build", lambda self, code: True)
    with pytest.raises(Refused, match=f"the compile cache {tmp_path} is damaged; delete it"):
        compile._vector_width()
    monkeypatch.setattr(wide, "check_build", lambda self, code: False)  # an old compiler
    assert compile._vector_width() == 0
    monkeypatch.setattr(cpu_vec_isa, "pick_vec_isa", wide)
    assert compile._vector_width() == 512


ONE_STEP = """
import torch
from benchmark.core.errors import Refused
from benchmark.training.compile import Jit
torch.set_grad_enabled(False)
jit = Jit()
jit(lambda x: (x.exp() * 2 + 1).tanh().sum())(torch.ones(1000))
try:
    print(jit.made_with("cpu"))
except Refused as refusal:
    print(refusal)
"""


@pytest.mark.slow
@pytest.mark.parametrize("damaged", ["everything", "kernels"])
def test_a_damaged_compile_cache_is_named(damaged, tmp_path):
    """Every file of it cut to 100 bytes, or those alone that are kernels of ours."""

    def step() -> subprocess.CompletedProcess:
        environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
        command = [sys.executable, "-c", ONE_STEP]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    before = step()
    if "'engine': 'compiled'" not in before.stdout or "'vector_width': 0" in before.stdout:
        pytest.skip("nothing is compiled here")
    pattern = "*" if damaged == "everything" else "*.main.so"
    for path in filter(Path.is_file, tmp_path.rglob(pattern)):
        path.write_bytes(path.read_bytes()[:100])
    after = step()
    if damaged == "everything":
        assert after.stdout == f"the compile cache {tmp_path} is damaged; delete it and go on\n"
        assert after.stderr == ""
    else:
        assert "'engine': 'eager'" in after.stdout
        assert after.stderr.count("\n") == 1 and ".main.so: " in after.stderr
        assert f"compile cache: {tmp_path}; delete it" in after.stderr
