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
    peer, name, threads, device, precision = sys.argv[1:]
    threads = int(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    os.environ["JAX_PLATFORMS"] = device
    os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = precision  # its own default on a GPU is TF32
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # the GPU has other peers on it
    if peer == "JAX" and threads == 1:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if peer.startswith("ours"):
        from benchmark.core import mkl

        mkl.use_full_width()
    import torch

    torch.set_num_threads(threads)
    tf32 = precision == "tensorfloat32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    torch.set_flush_denormal(True)  # as in training; JAX does so by itself
    from benchmark.tools.bench import cases, peers

    start = time.perf_counter()
    step, batches = peers.PEERS[peer](cases.CASES[name], device)
    step(batches[0])
    wait(device)
    first = time.perf_counter() - start
    for batch in batches[1:]:
        step(batch)
    tell({"first": first, "params": [p.tolist() for p in step.params()]})
    for line in sys.stdin:
        if line.strip() == "matmul":
            tell({"gflops": matmul_rate(device)})
            continue
        count = int(line)
        start = time.perf_counter()
        for _ in range(count):
            step(batches[0])
        wait(device)
        tell({"seconds": (time.perf_counter() - start) / count})


def wait(device: str) -> None:
    """Until torch's queued work is done; the other peers return when theirs is."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def matmul_rate(device: str) -> float:
    """10^9 floating-point operations per second of a large square product."""
    import torch

    size, repeats = (4096, 50) if device == "cuda" else (1024, 10)
    with torch.no_grad():
        a, b = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
        a @ b
        wait(device)
        start = time.perf_counter()
        for _ in range(repeats):
            a @ b
        wait(device)
        return repeats * 2 * size**3 / (time.perf_counter() - start) / 1e9


def tell(value: dict) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
