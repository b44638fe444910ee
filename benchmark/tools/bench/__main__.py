"""Milliseconds per iteration, ours against eager PyTorch, TorchOpt and JAX, in one run.

Every peer does the same mathematics: parameters after three iterations from equal state and noise
are compared before anything is timed. Rounds alternate between the peers, so that drift of the
machine's speed hits all alike; medians and ratios are what counts. Drawing noise is not timed.

    python -m pip install jax optax torchopt      # peers; those missing are left out
    python -m benchmark.tools.bench
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmark.core.errors import UserError, exit_code, printable, unknown
from benchmark.core.files import write_text
from benchmark.core.paths import RESULTS
from benchmark.store import provenance
from benchmark.tools.bench import cases, peers

ROUND_SECONDS = 0.7  # of one peer's turn
# Largest relative difference of parameters after three iterations, by the precision of products, in
# JAX's names: float32 throughout, or factors rounded to 10 bits.
AGREE = {"highest": 1e-4, "tensorfloat32": 1e-2}


class Worker:
    """A peer's process (``worker.py``)."""

    def __init__(
        self, peer: str, case: str, threads: int, device: str, precision: str = "highest"
    ) -> None:
        command = [sys.executable, "-m", "benchmark.tools.bench.worker", peer, case, str(threads)]
        command += [device, precision]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=provenance.ROOT
        )
        self.start = self.read()
        self.seconds: list[float] = []

    def ask(self, question: str) -> dict:
        self.send(question)
        return self.read()

    def send(self, question: str) -> None:
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()

    def round(self) -> None:
        """Time about ROUND_SECONDS of iterations."""
        probe = self.seconds[-1] if self.seconds else self.ask("2")["seconds"]
        self.seconds.append(self.ask(str(max(1, round(ROUND_SECONDS / probe))))["seconds"])

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a peer ended with exit code {self.process.wait()}")
        return json.loads(line)


def difference(ours: list, theirs: list) -> float:
    """Largest relative distance between two peers' parameter vectors."""
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(ours, theirs, strict=True)]
    return max(float(np.linalg.norm(a - b) / np.linalg.norm(a)) for a, b in pairs)


def measure(
    name: str, names: list[str], threads: int, rounds: int, device: str, precision: str
) -> list[dict]:
    """One case against all peers: a row each."""
    case = cases.CASES[name]
    workers = {peer: Worker(peer, name, threads, device, precision) for peer in names}
    gflop = cases.gflop(case)
    rates = []
    for _ in range(rounds):
        rates.append(workers[names[0]].ask("matmul")["gflops"])
        for worker in workers.values():
            worker.round()
    rows = []
    reference = workers[names[0]].start["params"]
    for peer, worker in workers.items():
        ms = [1e3 * s for s in worker.seconds]
        ratios = [s / o for s, o in zip(worker.seconds, workers[names[0]].seconds, strict=True)]
        apart = difference(reference, worker.start["params"])
        rows.append(
            {
                "case": name, "method": case.method, "batch": case.batch, "peer": peer,
                "threads": threads, "ms": statistics.median(ms), "ms_min": min(ms),
                "ms_max": max(ms), "times_ours": statistics.median(ratios),
                "seeds": case.seeds, "precision": precision,
                "seed_iterations_per_second": 1e3 * case.seeds / statistics.median(ms),
                "first_seconds": worker.start["first"], "gflop": gflop,
                "matmul_gflops": statistics.median(rates),
                "share_of_matmul_rate": gflop * 1e3 / statistics.median(ms)
                / statistics.median(rates),
                "difference": apart, "same_mathematics": apart < AGREE[precision],
            }
        )  # fmt: skip
        worker.close()
    return rows


def side_by_side(name: str, rounds: int) -> dict[str, list[float]]:
    """Iterations per second of all cores, a process of one thread on each, by engine: a number a
    round, timed in turns.
    """
    cores = len(os.sched_getaffinity(0))
    found: dict[str, list[float]] = {"ours": [], "ours compiled": []}
    workers = {peer: [Worker(peer, name, 1, "cpu") for _ in range(cores)] for peer in found}
    count = max(2, round(ROUND_SECONDS / workers["ours compiled"][0].ask("2")["seconds"]))
    for _ in range(rounds):
        for peer, many in workers.items():
            for worker in many:
                worker.send(str(count))
            found[peer].append(sum(1 / worker.read()["seconds"] for worker in many))
    for worker in sum(workers.values(), []):
        worker.close()
    return found


def available() -> list[str]:
    """Peers that can be imported, tried each in a process; of the others is said why not."""
    found = []
    for peer in peers.PEERS:
        reason = unusable(peers.NEEDS[peer]) if peer in peers.NEEDS else ""
        if reason:
            print(printable(f"{peer} is left out: {reason}"), file=sys.stderr)
        else:
            found.append(peer)
    return found


def unusable(package: str) -> str:
    """Why the peer of a package cannot be imported; empty where it can."""
    code = f"import benchmark.tools.bench.peers.{package}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=provenance.ROOT
    )
    words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return words[-1] if done.returncode else ""


def main() -> int:
    """Measure, print, write results/bench/<machine>.csv."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.tools.bench", description=__doc__)
    one_seed = [name for name, case in cases.CASES.items() if case.seeds == 1]
    parser.add_argument(
        "--cases",
        default=",".join(one_seed),
        help=f"of {', '.join(cases.CASES)} (default: those of one seed)",
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--tf32", action="store_true", help="round products' factors, on a GPU")
    parser.add_argument("--jobs", action="store_true", help="only: runs on every core, by engine")
    parser.add_argument("--out", type=Path, default=RESULTS / "bench")
    arguments = parser.parse_args()
    return exit_code(lambda: bench(arguments))


def bench(arguments: argparse.Namespace) -> int:
    """Carry out parsed arguments. Raises UserError."""
    names = arguments.cases.split(",")
    for name in names:
        if name not in cases.CASES:
            raise unknown("case", name, cases.CASES)
    if arguments.rounds < 1 or arguments.threads < 1:
        raise UserError("--rounds and --threads must be at least 1")
    if arguments.jobs:
        for name in names:
            native, compiled = side_by_side(name, arguments.rounds).values()
            ratio = statistics.median(n / c for n, c in zip(native, compiled, strict=True))
            print(
                f"{name:14} one thread on every core: {statistics.median(native):7.1f} iterations "
                f"a second natively, {statistics.median(compiled):7.1f} compiled: {ratio:.2f} x",
                flush=True,
            )
        return 0
    known = available()
    print(f"peers: {', '.join(known)}; {arguments.threads} threads; {arguments.rounds} rounds")
    precision = "tensorfloat32" if arguments.tf32 else "highest"
    how = (arguments.threads, arguments.rounds, arguments.device, precision)
    rows = []
    for name in names:
        able = [peer for peer in known if peers.able(peer, cases.CASES[name])]
        for row in measure(name, able, *how):
            rows.append(row)
            print(
                f"{row['case']:14} {row['peer']:15} {row['ms']:8.2f} ms "
                f"({row['ms_min']:.2f}-{row['ms_max']:.2f})  {row['times_ours']:5.2f} x ours  "
                f"first {row['first_seconds']:5.1f} s  {row['share_of_matmul_rate']:4.0%} of "
                f"{row['matmul_gflops']:.0f} GFLOP/s  "
                f"{'agrees' if row['same_mathematics'] else 'DIFFERS'} ({row['difference']:.0e})",
                flush=True,
            )
    machine = provenance.machine(arguments.device)
    label = f"{machine['hardware']}-{machine['cores']}-cores-{arguments.threads}-threads"
    label = re.sub(r"\W+", "-", label + ("-tf32" if arguments.tf32 else "")).strip("-")
    path = arguments.out / f"{label.lower()}.csv"
    record = {"commit": provenance.commit(), "torch": machine["torch"]}
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*rows[0], *record], lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | record for row in rows)
    write_text(path, buffer.getvalue())
    print(path)
    return 0 if all(row["same_mathematics"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
