"""Full-width vector instructions for MKL on AMD processors.

MKL picks its kernels by processor vendor first: on an AMD processor with AVX-512 it stays at AVX2,
at half the rate (105 against 240 GFLOP/s a core on an EPYC of family 26, torch 2.13). Its question
"is this an Intel processor" is an exported function; a library that answers yes, loaded before
torch, lets MKL choose by what the processor says it can do. Without a C compiler, on another
system, or with LBT_BENCH_STOCK_MKL set, nothing changes but the speed.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = """int mkl_serv_intel_cpu(void) { return 1; }
int mkl_serv_intel_cpu_true(void) { return 1; }
"""
_active = False


def active() -> bool:
    """Whether this process uses the override."""
    return _active


def use_full_width() -> bool:
    """Load the override where it helps; must come before the first import of torch."""
    global _active
    if _active or not _helps() or "torch" in sys.modules:
        return _active
    try:
        ctypes.CDLL(str(_library()), mode=ctypes.RTLD_GLOBAL)
    except (OSError, RuntimeError, subprocess.CalledProcessError):  # RuntimeError: no home
        return False
    _active = True
    return True


def _helps() -> bool:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    if os.environ.get("LBT_BENCH_STOCK_MKL") or not shutil.which("cc"):
        return False
    info = Path("/proc/cpuinfo").read_text()
    return "AuthenticAMD" in info and " avx512f " in info


def _library() -> Path:
    """The compiled override, kept in the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lbt-bench"
    library = cache / "mkl_full_width.so"
    if not library.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            source, built = Path(folder, "a.c"), Path(folder, "a.so")
            source.write_text(SOURCE)
            command = ["cc", "-shared", "-fPIC", "-o", str(built), str(source)]
            subprocess.run(command, check=True, capture_output=True)
            built.replace(library)
    return library
