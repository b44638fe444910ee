"""LBT's iteration written the way each peer would write it, in the same mathematics.

A peer is ``peer(case, device) -> (step, batches)``: a function of a batch that advances its own
state, with ``step.params()`` giving (theta, phi) as flat arrays in our layout, and what to feed it.
``ours`` takes any method.
"""

from __future__ import annotations

from benchmark.tools.bench import cases
from benchmark.tools.bench.peers import eager, ours
from benchmark.tools.bench.peers.stepper import Stepper


def _torchopt(case: cases.Case, device: str) -> tuple[Stepper, list]:
    """Imported where it is measured: its package may be missing."""
    from benchmark.tools.bench.peers import torchopt

    return torchopt.peer(case, device)


def _jax(case: cases.Case, device: str) -> tuple[Stepper, list]:
    """Imported where it is measured: its packages may be missing."""
    from benchmark.tools.bench.peers import jax

    return jax.peer(case, device)


PEERS = {
    "ours": ours.peer,
    "ours compiled": lambda case, device: ours.peer(case, device, "compiled"),
    "ours eager": lambda case, device: ours.peer(case, device, "eager"),
    "eager autograd": eager.peer,
    "TorchOpt": _torchopt,
    "JAX": _jax,
}
NEEDS = {"TorchOpt": "torchopt", "JAX": "jax"}


def able(peer: str, case: cases.Case) -> bool:
    """Whether a peer can do a case: only ours does methods other than LBT, only ours and JAX stack
    seeds.
    """
    if case.method != "lbt":
        return peer.startswith("ours")
    return case.seeds == 1 or peer in ("ours", "JAX")
