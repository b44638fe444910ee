"""One peer in a process of its own, so that thread pools and compilers do not meet.

Reads a line from standard input, answers with one line of JSON: ``N`` times N iterations;
``matmul`` measures the rate of a large float32 product with torch; end of input ends it.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    peer, name, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    if peer == "JAX" and threads == 1:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if peer.startswith("ours"):
        from benchmark import mkl

        mkl.use_full_width()
    import torch

    torch.set_num_threads(threads)
    from benchmark.bench import cases, peers

    start = time.perf_counter()
    step, batches = peers.PEERS[peer](cases.CASES[name])
    step(batches[0])
    first = time.perf_counter() - start
    for batch in batches[1:]:
        step(batch)
    tell({"first": first, "params": [p.tolist() for p in step.params()]})
    for line in sys.stdin:
        if line.strip() == "matmul":
            tell({"gflops": matmul_rate()})
            continue
        count = int(line)
        start = time.perf_counter()
        for _ in range(count):
            step(batches[0])
        tell({"seconds": (time.perf_counter() - start) / count})


def matmul_rate(size: int = 1024, repeats: int = 10) -> float:
    """10^9 floating-point operations per second of a (size, size) product."""
    import torch

    with torch.no_grad():
        a, b = torch.randn(size, size), torch.randn(size, size)
        a @ b
        start = time.perf_counter()
        for _ in range(repeats):
            a @ b
        return repeats * 2 * size**3 / (time.perf_counter() - start) / 1e9


def tell(value: dict) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
