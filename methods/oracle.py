"""Oracle: real samples as if they were generated. The upper bound of every figure and table."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.base import Batch, Logs, Method, MethodConfig, Spec, State


class OracleConfig(MethodConfig):
    """The oracle has no settings."""


def build(spec: Spec, cfg: OracleConfig) -> Method:
    """Maps noise through the data distribution's own push-forward; there is nothing to train.
    Raises ValueError for noise of fewer dimensions than that takes in the plane.
    """
    if spec.z_dim < 3:
        raise ValueError("z_dim must be at least 3 to draw the data from it")

    def init(seed: int) -> State:
        return {"updates": torch.zeros(())}

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        return {"updates": state["updates"] + 1}, {}

    def sample(state: State, z: Tensor) -> Tensor:
        return spec.push(z)

    return Method(init, step, sample, (), {})
