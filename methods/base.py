"""What a method is: four plain values, written for one run of one seed.

The engine adds the seed axis, the noise, the logs and the checkpoints, so a method is pure
functions on a flat state and nothing else. To add one, write a file with a config class and
``build(spec, cfg) -> Method`` and register it in ``methods/__init__.py`` (or name the file with
``--plugin``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

State = dict[str, Tensor | dict[str, Tensor]]
Batch = dict[str, Tensor]
Logs = dict[str, Tensor]


class MethodConfig(BaseModel):
    """Base of every method's settings: immutable, unknown keys and NaN refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Spec(NamedTuple):
    """All that a method knows of its data.

    x_shape: shape of one data point. z_dim: dimension Z of the generator's noise. batch: B.
    push: the data distribution as a map from standard normals (N, Z) to points (N, *x_shape);
        only the oracle reference may call it.
    jit: wraps a pure function of tensors that is worth compiling; the identity by default.
    """

    x_shape: tuple[int, ...]
    z_dim: int
    batch: int
    push: Callable[[Tensor], Tensor] | None = None
    jit: Callable[[Callable], Callable] = lambda fn: fn


class Method(NamedTuple):
    """An algorithm as pure functions.

    init: seed -> state, a dict of tensors (one level of nesting), on the CPU.
    step: (state, batch) -> (state, logs). One generator update with every inner update it needs.
        Changes none of its inputs, has static shapes and draws no random numbers.
    sample: (state, z (N, Z)) -> x (N, *x_shape).
    data: names of the data batches one step needs, each (B, *x_shape). Equal names carry equal
        data for every method of a given seed.
    noise: name -> shape of the standard normal draws one step needs.
    """

    init: Callable[[int], State]
    step: Callable[[State, Batch], tuple[State, Logs]]
    sample: Callable[[State, Tensor], Tensor]
    data: tuple[str, ...]
    noise: dict[str, tuple[int, ...]]


def seeded(*names: int | str) -> torch.Generator:
    """A CPU generator whose seed is a hash of ``names``: a new name moves no other stream."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
