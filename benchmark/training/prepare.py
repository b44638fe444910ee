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
    """What every run asks of its process, whatever has run in it before. tf32: whether a GPU may
    round the inputs of matrix products to 10 bits. Raises RuntimeError where torch does not obey.
    """
    torch.set_num_threads(1)  # two threads on shared cores wait for each other, spinning
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.use_deterministic_algorithms(False)
    # An operation on numbers below 1e-38 takes a hundred times as long, and exp makes many of them:
    # the weight of a mixture's component far away.
    flushes = torch.set_flush_denormal(True)  # False on a processor that cannot
    precision = "high" if tf32 else "highest"
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = tf32  # its own default is to round
    for name, found, asked in (
        ("threads", torch.get_num_threads(), 1),
        ("default dtype", torch.ones(()).dtype, torch.float32),
        ("default device", torch.ones(()).device.type, "cpu"),
        ("deterministic algorithms", torch.are_deterministic_algorithms_enabled(), False),
        ("flush of denormals", bool((torch.full((16,), 1e-30) * 1e-10 == 0).all()), flushes),
        ("matmul precision", torch.get_float32_matmul_precision(), precision),
    ):
        if found != asked:
            raise RuntimeError(f"the process has {name} {found}; a run needs {asked}")


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
