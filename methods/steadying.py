"""What steadies the last iterate of any method: averaged weights, and steps that shrink to nothing.

A generator trained with constant step sizes oscillates around what it has learned. Neither remedy
is the paper's; both are off by default, and a method knows of neither.

anneal: over the last share of the iterations, what one iteration adds to any player's parameters is
scaled down linearly to nothing. For Adam's single steps this is the usual decay of the step size.
average: samples come from an exponential moving average of theta (Polyak & Juditsky 1992),
average <- d average + (1 - d) theta with d = min(decay, (1 + t) / (10 + t)) after t updates, so
that the start is soon forgotten. Training goes on with theta itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from methods.base import Batch, Logs, Method, State

COUNT, AVERAGE = "updates", "theta_average"  # in the state


def steadied(method: Method, iterations: int, anneal: float, average: float) -> Method:
    """``method`` with steps annealed over the last share ``anneal`` of its iterations and samples
    from weights averaged with decay ``average``; 0 switches either off.
    """
    if not (anneal or average):
        return method

    def init(seed: int) -> State:
        state = method.init(seed)
        extra = {AVERAGE: state["theta"].clone()} if average else {}
        return state | {COUNT: torch.zeros(())} | extra

    def following(step):
        def advance(state: State, batch: Batch) -> tuple[State, Logs]:
            old = {k: v for k, v in state.items() if k not in (COUNT, AVERAGE)}
            new, logs = step(old, batch)
            t = state[COUNT] + 1
            if anneal:
                kept = torch.clamp((iterations - t + 1) / (anneal * iterations), max=1.0)
                players = [name for name in old if f"opt_{name}" in old]
                new = new | {name: torch.lerp(old[name], new[name], kept) for name in players}
            if average:
                d = torch.clamp((1 + t) / (10 + t), max=average)
                new = new | {AVERAGE: torch.lerp(new["theta"], state[AVERAGE], d)}
            return new | {COUNT: t}, logs

        return advance

    def sample(state: State, z: Tensor) -> Tensor:
        return method.sample(state | {"theta": state[AVERAGE]}, z)

    warm_up = method.warm_up
    if warm_up is not None:
        warm_up = warm_up._replace(step=following(warm_up.step))
    return method._replace(
        init=init,
        step=following(method.step),
        sample=sample if average else method.sample,
        warm_up=warm_up,
    )
