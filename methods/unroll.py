"""Unrolling an inner optimiser, with its adjoint accumulated one step at a time.

The inner problem minimises loss(phi, x, aux) over phi; x carries the dependence on theta (a batch
of generated samples) and aux the rest (noise, real data). K optimiser steps map phi_0 to phi_K
(Eq. 5; Algorithm 1, "Unrolling"). Given the gradient of an outer objective J at phi_K, ``pull``
returns dJ/dx_k for every step, from which one generator VJP gives the hypergradient dJ/dtheta.

Letting autograd record all K steps as one graph gives the same numbers, but its size (and compile
time) grows with K. Here step k is pulled back by hand: with g_k = grad_phi loss(phi_k, x_k),

    (lam_phi, lam_opt, w) = VJP of the optimiser's elementwise update at (phi_k, opt_k, g_k)
    (h_phi, h_x)          = d/dt grad_{phi,x} loss(phi_k + t w, x_k) at t = 0
    lam_phi += h_phi,       dJ/dx_k = h_x

so only two small functions are ever compiled. Whether Adam's second moment is differentiated is
the optimiser's business (``optim.adam(detach_v=...)``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, jvp, vjp

from methods import kernels
from methods.optim import Adam, Opt, Optimiser


class Inner(NamedTuple):
    """An inner problem ready to be stepped.

    step: (phi, opt, x, aux, eta) -> (phi, opt, g), g the gradient used.
    adjoint: (phi, opt, g, x, aux, eta, lam_phi, lam_opt) -> (lam_phi, lam_opt, dJ/dx).
    steps: (phi, opt, xs (n, B, ...), aux (n, B, ...), eta) -> (phi, opt): n steps.
    gradient: (phi, x, aux) -> (dloss/dphi, loss).
    native: whether a kernel does this where it can.
    """

    step: Callable[..., tuple[Tensor, Opt, Tensor]]
    adjoint: Callable[..., tuple[Tensor, Opt, Tensor]]
    steps: Callable[..., tuple[Tensor, Opt]]
    gradient: Callable[..., tuple[Tensor, Tensor]]
    native: bool = False


def inner_problem(
    loss: Callable[[Tensor, Tensor, Any], Tensor],
    optimiser: Optimiser,
    jit: Callable[[Callable], Callable],
    kernel: kernels.Loss | None = None,
) -> Inner:
    """The pieces of an inner problem, compiled; loss(phi, x, aux) -> 0-d, minimised over phi.

    kernel: the same loss natively, to be used where it proves to be that.
    """

    def step(phi, opt, x, aux, eta):
        g = grad(loss)(phi, x, aux)
        phi, opt = optimiser.update(phi, opt, g, eta)
        return phi, opt, g

    def adjoint(phi, opt, g, x, aux, eta, lam_phi, lam_opt):
        _, pull_update = vjp(lambda *p: optimiser.update(*p, eta), phi, opt, g)
        lam_phi, lam_opt, w = pull_update((lam_phi, lam_opt))
        _, (h_phi, h_x) = jvp(lambda p: grad(loss, (0, 1))(p, x, aux), (phi,), (w,))
        return lam_phi + h_phi, lam_opt, h_x

    compiled = jit(step)

    def steps(phi, opt, xs, aux, eta):
        for x, a in zip(xs.unbind(), aux.unbind(), strict=True):
            phi, opt, _ = compiled(phi, opt, x, a, eta)
        return phi, opt

    reference = Inner(compiled, jit(adjoint), steps, jit(grad_and_value(loss)))
    if kernel is None or not kernel.proven(optimiser.adam, step, adjoint):
        return reference
    return _native(kernel, optimiser.adam, reference)


def _native(kernel: kernels.Loss, adam: Adam, reference: Inner) -> Inner:
    def step(*args):
        return kernel.step(adam, *args)[:3]

    def adjoint(*args):
        return kernel.adjoint(adam, *args)

    def steps(*args):
        return kernel.steps(adam, *args)

    pieces = step, adjoint, steps, kernel.gradient
    return Inner(*map(kernels.either, pieces, reference), native=True)


def unroll(
    inner: Inner, phi: Tensor, opt: Opt, xs: Sequence[Tensor], aux: Sequence[Any], eta: Tensor
) -> tuple[Tensor, Callable[[Tensor], list[Tensor]]]:
    """K = len(xs) inner steps from (phi, opt).

    Returns phi_K (P,) and ``pull``: dJ/dphi_K (P,) -> [dJ/dx_k for k = 0 ... K-1].
    """
    trace = []
    for x, a in zip(xs, aux, strict=True):
        phi_next, opt_next, g = inner.step(phi, opt, x, a, eta)
        trace.append((phi, opt, g, x, a))
        phi, opt = phi_next, opt_next

    def pull(lam_phi: Tensor) -> list[Tensor]:
        lam_opt = {name: torch.zeros_like(value) for name, value in opt.items()}
        h_xs = []
        for point in reversed(trace):
            lam_phi, lam_opt, h_x = inner.adjoint(*point, eta, lam_phi, lam_opt)
            h_xs.append(h_x)
        return h_xs[::-1]

    return phi, pull
