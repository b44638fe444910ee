"""How fast this machine is, beside the one whose times plans go by: a matter of a second."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

REFERENCE = 87.0  # GFLOP/s of such products on one core of that machine, an AMD EPYC, else idle
MOST = 64  # processes that are started to see how they slow each other
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PROBE = """
import time
import numpy as np
a = np.ones((512, 512), np.float32)
a @ a
count, start = 0, time.perf_counter()
while time.perf_counter() < start + 1:
    a @ a
    count += 1
print(2e-9 * 512**3 * count / (time.perf_counter() - start))
"""


def measure(jobs: int) -> float:
    """What a worker gets done of what it would on the reference machine, with ``jobs`` at once:
    float32 products on one thread each, for a second.
    """
    command, environment = [sys.executable, "-c", PROBE], os.environ | ONE_THREAD
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(min(jobs, MOST))
    ]
    rates = [float(process.communicate()[0]) for process in started]
    return statistics.mean(rates) / REFERENCE
