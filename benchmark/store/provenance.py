"""Where a number comes from: commit, machine, library versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.core import mkl
from benchmark.core.paths import CHECKOUT, ROOT

# Environment: 1 where other programs run beside, so that seconds decide nothing.
SHARED = "LBT_BENCH_SHARED"


@cache
def commit() -> str:
    """The checked-out commit, marked ``-dirty`` when files differ; the version where the package is
    installed, whose folder may lie in a repository of something else; else ``unknown``.
    """
    if not CHECKOUT:
        return f"lbt-bench {importlib.metadata.version('lbt-bench')}"
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    command += ["--exclude=*"]  # tags: a commit is named by its hash
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def machine(device: str) -> dict[str, Any]:
    """Hardware and versions behind a run."""
    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else _cpu_name()
    shared = {"shared": True} if os.environ.get(SHARED) == "1" else {}
    return shared | {
        "device": device,
        "hardware": name,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "tf32": device == "cuda" and torch.get_float32_matmul_precision() != "highest",
        "mkl_full_width": mkl.active(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "platform": sys.platform,
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
