"""The kernels' shared library: built once per machine by its C++ compiler, kept in a cache folder.

A cached library is named by a hash of its source, processor target, compiler version and options,
and ends with its own checksum, so that a stale or damaged one is never loaded. It is built in a
folder of its own and renamed into place: any number of processes may do so at once.

LBT_BENCH_CXX names another compiler than g++; LBT_BENCH_CPU_FLAGS replaces the processor's flags
as /proc/cpuinfo lists them (the tests pretend with either that there is none, or no AVX2).
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("source")
# No error numbers from sqrt, which would keep loops from becoming vectors.
OPTIONS = ("-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic", "-fno-math-errno", "-std=c++20")
AVX2 = frozenset({"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"})
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
CHECKSUM = 32  # bytes


class Unavailable(Exception):
    """Why there are no kernels here, in one line."""


def library(options: tuple[str, ...] = ()) -> Path:
    """The library for this machine, built if need be. options: further ones for the compiler.

    Raises Unavailable.
    """
    target, compiler = _target(), _compiler()
    command = [compiler, *OPTIONS, f"-march={target}", *options]
    sources = sorted(SOURCE.iterdir())
    identity = [*command[1:], _run([compiler, "--version"]), *(p.read_text() for p in sources)]
    name = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:16]
    folder = _cache()
    built = folder / f"kernels-{name}.so"
    if not _intact(built):
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            made = Path(aside, "kernels.so")
            _run([*command, "-shared", "-fPIC", "-o", str(made), str(SOURCE / "kernels.cpp")])
            body = made.read_bytes()
            made.write_bytes(body + hashlib.sha256(body).digest())
            made.replace(built)
    return built


def _target() -> str:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise Unavailable("they are for x86-64 Linux")
    flags = os.environ.get("LBT_BENCH_CPU_FLAGS")
    if flags is None:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next((line for line in lines if line.startswith("flags")), "")
    found = set(flags.split())
    if AVX2 <= found:
        return "x86-64-v4" if AVX512 <= found else "x86-64-v3"
    raise Unavailable("the processor lacks AVX2")


def _compiler() -> str:
    name = os.environ.get("LBT_BENCH_CXX", "g++")
    compiler = shutil.which(name)
    if compiler is None:
        raise Unavailable(f"there is no C++ compiler ({name})")
    return compiler


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        reason = next((line for line in lines if "error" in line), lines[0])
        raise Unavailable(f"they do not build: {reason}")
    return done.stdout


def _cache() -> Path:
    """A folder that this user alone can write to: in their cache, else a temporary one."""
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(home, "lbt-bench")
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):  # the latter: there is no home
        pass
    folder = Path(tempfile.gettempdir(), f"lbt-bench-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise Unavailable(f"there is no folder to build in: {error}") from error
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise Unavailable(f"{folder} is not this user's alone")
    return folder


def _intact(path: Path) -> bool:
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return data[-CHECKSUM:] == hashlib.sha256(data[:-CHECKSUM]).digest()
