"""The product's own step, by each of its engines; it takes any method."""

from __future__ import annotations

from typing import Literal

import torch

from benchmark.tools.bench import cases
from benchmark.tools.bench.peers.stepper import Stepper
from benchmark.training.compile import Jit
from benchmark.training.engine import Engine
from benchmark.training.lane import to_device

Engines = Literal["native", "compiled", "eager"]


def peer(case: cases.Case, device: str, engine: Engines = "native") -> tuple[Stepper, list]:
    """The product's own step; natively where there are kernels, else as if compiled."""
    torch.set_grad_enabled(False)
    native = engine == "native" and device == "cpu" and case.seeds == 1
    jit = Jit(engine != "eager", stacked=case.seeds > 1)
    method, _ = cases.build(case, jit, native=native)
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
