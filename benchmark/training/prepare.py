"""Before the first step: torch set up, the method built for its data."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmark import data
from benchmark.core.modules import config_class, load_module
from benchmark.core.run import Run
from benchmark.data.base import Dataset, scaled
from methods.base import Method, Spec
from methods.steadying import steadied


def set_up_torch(tf32: bool = False) -> None:
    """What every training process asks of torch. tf32: whether a GPU may round the inputs of matrix
    products to 10 bits.
    """
    torch.set_num_threads(1)  # two threads on shared cores wait for each other, spinning
    # An operation on numbers below 1e-38 takes a hundred times as long, and exp makes many of them:
    # the weight of a mixture's component far away.
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32  # its own default is to round


def prepare(
    run: Run, jit: Callable, device: str = "cpu", native: bool = False
) -> tuple[Method, Spec, Dataset]:
    """The method built for its dataset; natively, where that is asked for and there are kernels."""
    budget = run.budget
    dataset = scaled(data.load(run.data, device, run.source), budget.coordinate_scale)
    scale = budget.coordinate_scale
    spec = Spec(dataset.x_shape, budget.z_dim, budget.batch, dataset.push, jit, scale, native)
    module = load_module(run.module)
    method = module.build(spec, config_class(module)(**run.settings))
    anneal, average = (run.settings.get(name, 0.0) for name in ("anneal", "average"))
    return steadied(method, budget.iterations, anneal, average), spec, dataset
