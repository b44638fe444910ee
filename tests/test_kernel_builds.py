"""The library of native kernels: built once, found again, or done without in one line."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from methods import kernels
from methods.kernels import build as builder

ROOT = Path(__file__).resolve().parent.parent


SAY = """
import sys
sys.path[:0] = ["tests", "."]
from test_kernels import build, train
from conftest import flat
(method, spec), _ = build("lbt", 8, True), build("lbt_gan", 8, True)
state = flat(train(method, spec, method.init(0), range(1)))
print(method.native, all(bool(v.isfinite().all()) for v in state.values()))
"""


def other_process(**environment: str) -> tuple[str, str]:
    """stdout and stderr of a process that trains for one step."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    command = [sys.executable, "-W", "ignore", "-c", SAY]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    "name, value, reason",
    [
        ("LBT_BENCH_CXX", "no-such-compiler", "there is no C++ compiler (no-such-compiler)"),
        ("LBT_BENCH_CPU_FLAGS", "fpu sse4_2 avx", "the processor lacks AVX2"),
        ("LBT_BENCH_CXX", "false", "they do not build: exit status 1"),
    ],
)
def test_without_kernels_one_line_says_why(name, value, reason):
    if name == "LBT_BENCH_CXX" and kernels.library() is None:
        pytest.skip("no native kernels here")
    out, err = other_process(**{name: value})
    assert out == "False True\n"
    assert err == f"warning: running without native kernels: {reason}\n"


@pytest.fixture
def quick_builds(tmp_path, monkeypatch):
    """A compiler that makes something else, at once, and an empty cache."""
    compiler = tmp_path / "compiler"
    compiler.write_text(
        f'#!{sys.executable}\nimport sys\nif "-o" in sys.argv:\n    '
        'open(sys.argv[sys.argv.index("-o") + 1], "w").write("a library")\n'
    )
    compiler.chmod(0o700)
    monkeypatch.setenv("LBT_BENCH_CXX", str(compiler))
    monkeypatch.setenv("LBT_BENCH_CPU_FLAGS", " ".join(builder.AVX2))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_damaged_library_is_built_again(quick_builds):
    built = builder.library()
    whole = built.read_bytes()
    assert whole.startswith(b"a library")
    for damaged in (b"", whole[: len(whole) // 2], b"A" + whole[1:]):
        built.write_bytes(damaged)
        assert builder.library() == built and built.read_bytes() == whole
    assert list(built.parent.iterdir()) == [built]  # nothing left lying about


def test_another_compiler_target_or_option_is_another_library(quick_builds, monkeypatch):
    names = {builder.library(), builder.library(("-O0",))}
    monkeypatch.setenv("LBT_BENCH_CPU_FLAGS", " ".join(builder.AVX512))
    names.add(builder.library())
    compiler = Path(os.environ["LBT_BENCH_CXX"])
    compiler.write_text(compiler.read_text() + "else:\n    print('version 2')\n")
    names.add(builder.library())
    assert len(names) == 4


def test_concurrent_builds_all_succeed(quick_builds):
    folder = Path(builder.__file__).parent  # the module alone, without torch
    command = [sys.executable, "-c", "import build; print(build.library())"]
    running = [
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    outputs = {process.communicate()[0] for process in running}
    assert outputs == {f"{builder.library()}\n"}


@pytest.mark.parametrize("home", ["/proc/no-home", "/dev/null"])
def test_without_a_cache_folder_a_temporary_one_serves(home, quick_builds, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    built = builder.library()
    assert built.parent.parent == tmp_path and built.parent.stat().st_mode & 0o777 == 0o700
    built.parent.chmod(0o777)
    with pytest.raises(builder.Unavailable, match="not this user's alone"):
        builder.library()
