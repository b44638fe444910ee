"""Compilation, its fallback, memory, and the matrix-product override."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import batch, build, flat

from benchmark.core.run import MIN_STEPS, pays
from benchmark.data import load
from benchmark.training import compile
from benchmark.training.compile import Jit
from benchmark.training.prepare import set_up_torch
from methods import REGISTRY, lbt
from methods.base import Spec

ROOT = Path(__file__).resolve().parent.parent


def test_short_runs_are_not_compiled():
    assert pays(MIN_STEPS) and not pays(MIN_STEPS - 1)


def test_a_compile_failure_falls_back_with_one_warning(monkeypatch, capsys):
    def broken(*args, **kwargs):
        def call(*args):
            raise RuntimeError("no compiler here\nand a long trace")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    jit = Jit()
    double, triple = jit(lambda x: 2 * x), jit(lambda x: 3 * x)
    one = torch.ones(())
    assert (double(one), triple(one), double(one)) == (2, 3, 2)
    assert not jit.active
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1 and "no compiler here" in warning


def test_a_kernel_that_another_process_is_writing_is_loaded_a_moment_later(monkeypatch, capsys):
    calls = []

    def half_written(fn, **options):
        def call(*args):
            calls.append(args)
            if len(calls) == 1:
                raise ImportError("x.main.so: file too short")
            return fn(*args)

        return call

    monkeypatch.setattr(torch, "compile", half_written)
    monkeypatch.setattr(compile, "WRITING", 0)
    jit = Jit()
    assert jit(lambda x: 2 * x)(torch.ones(())) == 2
    assert jit.active and len(calls) == 2 and not capsys.readouterr().err


def test_an_error_of_the_method_itself_is_not_hidden():
    def wrong(x):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        Jit()(wrong)(torch.ones(()))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_compiled_equals_eager_and_call_two_does_not_recompile(name):
    dataset = load("ring")
    eager, spec = build(name)
    module = __import__(REGISTRY[name], fromlist=["build"])
    from conftest import SMALL

    from benchmark.core.modules import config_class

    cfg = config_class(module)(**SMALL.get(name, {}))
    jit = Jit()
    compiled = module.build(Spec(dataset.x_shape, spec.z_dim, spec.batch, dataset.push, jit), cfg)
    state, inputs = eager.init(0), batch(eager, spec)
    expected, _ = eager.step(state, inputs)
    first, _ = compiled.step(state, inputs)
    for key, value in flat(first).items():
        # Other summation order in float32; Adam's first step is a sign and magnifies it where a
        # gradient is nearly zero.
        torch.testing.assert_close(value, flat(expected)[key], rtol=1e-3, atol=3e-5)
    assert jit.active == (name != "oracle")  # which trains nothing: nothing to compile
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled.step(first, inputs)


@pytest.mark.slow
def test_memory_does_not_grow_over_hundreds_of_iterations():
    method, spec = build("lbt", M=1, K=1)
    state, inputs = method.init(0), batch(method, spec)

    def run(steps):
        nonlocal state
        for _ in range(steps):
            state, _ = method.step(state, inputs)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    start = run(200)
    assert run(300) - start < 600  # KiB: a tensor of 2 KiB or more kept an iteration would be more


def test_unrolling_keeps_k_parameter_vectors_and_no_graph():
    """The trace of K steps holds phi, its moments and the gradient: four vectors a step."""
    from methods.optim import adam
    from methods.unroll import inner_problem, unroll

    inner = inner_problem(
        lambda phi, x, aux: ((phi - x) ** 2).sum(), adam(eps_root=1e-8), lambda fn: fn
    )
    phi, x = torch.zeros(100), torch.ones(100)
    _, pull = unroll(inner, phi, adam().init(phi), [x] * 7, [None] * 7, torch.tensor(0.1))
    trace = next(c.cell_contents for c in pull.__closure__ if isinstance(c.cell_contents, list))
    assert len(trace) == 7
    assert not any(t.requires_grad for point in trace for t in (point[0], point[2]))


PRODUCT = """
from benchmark.core import mkl
mkl.use_full_width()
import torch
a, b = (torch.randn(300, 200, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
exact = a.double() @ b.double().T
print(mkl.active(), float(((a @ b.T) - exact).norm() / exact.norm()))
"""


@pytest.mark.parametrize("stock", [False, True])
def test_matrix_products_stay_exact_to_rounding(stock):
    """With the override of mkl.py and without it; float32 sums of 200 products."""
    environment = {k: v for k, v in os.environ.items() if k != "LBT_BENCH_STOCK_MKL"}
    if stock:
        environment["LBT_BENCH_STOCK_MKL"] = "1"
    command = [sys.executable, "-c", PRODUCT]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    active, error = done.stdout.split()
    assert float(error) < 1e-6
    assert not (stock and active == "True")


@pytest.mark.parametrize(
    "use",
    [
        "from benchmark.cli import main; main(['--plan', '--preset', 'smoke'])",
        "import benchmark.tools.search",
        "import benchmark.execution.pool",
        "import benchmark.execution.cluster",
    ],
)
def test_torch_comes_after_the_override(use):
    """Else it has no effect, and numbers depend on which of these trained a run."""
    look = "lambda: print('torch' in sys.modules)"
    code = f"import sys; from benchmark.core import mkl; mkl.use_full_width = {look}; {use}"
    code += "; mkl.use_full_width()" if "main" not in use else ""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[0] == "False", done.stderr


def test_training_counts_what_is_below_the_smallest_normal_number_as_nothing():
    """The weights of a mixture's far components are such numbers, and slow ones."""
    small = torch.full((100,), 1e-30)
    try:
        set_up_torch()
        assert (small * 1e-10 == 0).all()
    finally:
        torch.set_flush_denormal(False)
    assert (small * 1e-10 > 0).all()


def test_hypergradient_through_lbt_uses_the_shared_unroll():
    """LBT, LBT-GAN and Unrolled GAN run the same adjoint."""
    from methods import lbt_gan, unroll, unrolled_gan

    assert lbt.unroll is unrolled_gan.unroll is unroll.unroll
    assert lbt_gan.student is lbt.student
