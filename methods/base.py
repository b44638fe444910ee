"""What a method is: a few pure functions and plain values, written for one run of one seed.

The engine adds the seed axis, the noise, the logs and the checkpoints, so a method is pure
functions on a flat state and nothing else. To add one, write a file with a config class and
``build(spec, cfg) -> Method`` and register it in ``methods/__init__.py`` (or name the file with
``--plugin``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

State = dict[str, Tensor | dict[str, Tensor]]
Batch = dict[str, Tensor]
Logs = dict[str, Tensor]


def later(default: Any, **constraints: Any) -> Any:
    """A setting that came after runs had been made: where it has its default it is left out of what
    a run is known by, so that those stay the runs they were.
    """
    return Field(default, json_schema_extra={"later": True}, **constraints)


class MethodConfig(BaseModel):
    """Base of every method's settings: immutable, unknown keys and NaN refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NetworkConfig(MethodConfig):
    """Networks, of which 2D data leave no choice (``methods.nets``), and what steadies the last
    iterate (``methods.steadying``), which the loop sees to.
    """

    # networks; on images lbt (auto is that) or metz; toy is the two means of the 1D example
    nets: Literal["auto", "lbt", "metz", "toy"] = "auto"
    d_ratio: float = Field(
        1.0, gt=0
    )  # factor on the discriminator's widths; 1, 0.5, 0.25 on images
    average: float = Field(0.0, ge=0, lt=1)  # decay of theta's average; off: paper
    anneal: float = Field(0.0, ge=0, le=1)  # last share of the updates, whose steps shrink; paper


class WarmUp(NamedTuple):
    """Another step for the first iterations: steps, how many; step, as ``Method.step``."""

    steps: int
    step: Callable[[State, Batch], tuple[State, Logs]]


class Probe(NamedTuple):
    """What a method can tell of its state beyond samples, from data of a stream of its own.

    points: N, how many data points. noise: shape of the standard normals one point needs.
    measure: (state, x (N, *x_shape), eps (N, *noise)) -> 0-d tensors by name.
    """

    points: int
    noise: tuple[int, ...]
    measure: Callable[[State, Tensor, Tensor], Logs]


class Spec(NamedTuple):
    """All that a method knows of its data.

    x_shape: shape of one data point. z_dim: dimension Z of the generator's noise. batch: B.
    push: the data distribution as a map from standard normals (N, Z) to points (N, *x_shape);
        only the oracle reference may call it.
    jit: wraps a pure function of tensors that is worth compiling; the identity by default.
    native: whether kernels for CPUs (``methods/kernels``) may do what they can, for a run that is
        not stacked.
    scale: a factor on the coordinates of 2D data and of the 2D generators' outputs, the same for
        every method: what networks and densities see. Measurements divide by it again.
    """

    x_shape: tuple[int, ...]
    z_dim: int
    batch: int
    push: Callable[[Tensor], Tensor] | None = None
    jit: Callable[[Callable], Callable] = lambda fn: fn
    scale: float = 1.0
    native: bool = False


class Method(NamedTuple):
    """An algorithm as pure functions.

    init: seed -> state, a dict of tensors (one level of nesting), on the CPU.
    step: (state, batch) -> (state, logs). One generator update with every inner update it needs.
        Changes none of its inputs, has static shapes and draws no random numbers.
    sample: (state, z (N, Z)) -> x (N, *x_shape).
    data: names of the data batches one step needs, each (B, *x_shape). Equal names carry equal
        data for every method of a given seed.
    noise: name -> shape of the standard normal draws one step needs.
    warm_up: what replaces ``step`` at first, where there is something.
    also: name -> (state, z) -> x: further samplers worth a look, such as the estimator's.
    probe: further measurements, made at every evaluation.
    passes: of a network, that one sample costs.
    native: whether kernels do part of ``step``.
    """

    init: Callable[[int], State]
    step: Callable[[State, Batch], tuple[State, Logs]]
    sample: Callable[[State, Tensor], Tensor]
    data: tuple[str, ...]
    noise: dict[str, tuple[int, ...]]
    warm_up: WarmUp | None = None
    also: Mapping[str, Callable[[State, Tensor], Tensor]] = MappingProxyType({})
    probe: Probe | None = None
    passes: int = 1
    native: bool = False


def seeded(*names: int | str) -> torch.Generator:
    """A CPU generator whose seed is a hash of ``names``: a new name moves no other stream."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
