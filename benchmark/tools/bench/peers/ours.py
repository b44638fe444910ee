"""The product's own step; it takes any method."""

from __future__ import annotations

import torch

from benchmark.tools.bench import cases
from benchmark.tools.bench.peers.stepper import Stepper
from benchmark.training.compile import Jit
from benchmark.training.engine import Engine
from benchmark.training.lane import to_device


def peer(case: cases.Case, device: str, compiled: bool = True) -> tuple[Stepper, list]:
    """The product's own step, through its engine."""
    torch.set_grad_enabled(False)
    method, _ = cases.build(case, Jit(compiled, stacked=case.seeds > 1))
    states, batches = cases.start(case)
    done = method.warm_up.steps if method.warm_up else 0  # what is timed comes after it
    engine = Engine(method, [to_device(state, device) for state in states], device, done)
    batches = [[to_device(batch, device) for batch in step] for step in batches]

    def params(_):
        final = [engine.state(i) for i in range(case.seeds)]
        return tuple(
            torch.stack([s[k] for s in final]).cpu().numpy()
            for k in ("theta", "phi")
            if k in final[0]
        )

    def step(_, batch):
        engine.advance(batch)

    return Stepper(step, None, params), batches
