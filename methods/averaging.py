"""Averaging the generator's weights over training, for any method (Polyak & Juditsky 1992).

Samples then come from an exponential moving average of theta, training goes on with theta itself.
Not of the paper; off by default. It steadies an iterate that oscillates at a constant step size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from methods.base import Batch, Logs, Method, State


def averaged(method: Method, decay: float) -> Method:
    """``method``, sampled at average <- d average + (1 - d) theta with d = min(decay,
    (1 + t) / (10 + t)) after t updates, so that the start is soon forgotten.
    """

    def init(seed: int) -> State:
        state = method.init(seed)
        return state | {"theta_average": state["theta"].clone(), "updates": torch.zeros(())}

    def following(step):
        def advance(state: State, batch: Batch) -> tuple[State, Logs]:
            own = {k: v for k, v in state.items() if k not in ("theta_average", "updates")}
            new, logs = step(own, batch)
            t = state["updates"] + 1
            d = torch.clamp((1 + t) / (10 + t), max=decay)
            average = torch.lerp(new["theta"], state["theta_average"], d)
            return new | {"theta_average": average, "updates": t}, logs

        return advance

    def sample(state: State, z: Tensor) -> Tensor:
        return method.sample(state | {"theta": state["theta_average"]}, z)

    warm_up = method.warm_up
    if warm_up is not None:
        warm_up = warm_up._replace(step=following(warm_up.step))
    step = following(method.step)
    return method._replace(init=init, step=step, sample=sample, warm_up=warm_up)
