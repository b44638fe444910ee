"""Implicit differentiation of an inner problem: Eq. 4 without forming the Hessian.

The inner problem is that of ``methods/unroll.py``: phi* minimises loss(phi, x, aux). With the
gradient v of an outer objective J at phi*, the influence function gives

    dJ/dx = -(d^2 loss / dx dphi) w,    (H + damping I) w = v,    H = d^2 loss / dphi^2

(the paper maximises f_E = -loss, hence Eq. 4's other sign of H). w comes from conjugate gradients
on Hessian-vector products: a fixed number, without a decision on a tensor's value.

Departures: this is the alternative that the paper names and sets aside in section 3.1. It assumes
phi = phi*; at the estimator as trained, H is stochastic and may be indefinite, which damping and
the stop at negative curvature are for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import grad, jvp


class Curvature(NamedTuple):
    """Second derivatives of an inner problem along w.

    hessian: (phi, w, x, aux) -> H w (P,). cross: (phi, w, x, aux) -> (d^2 loss / dx dphi) w, as x.
    """

    hessian: Callable[[Tensor, Tensor, Tensor, Any], Tensor]
    cross: Callable[[Tensor, Tensor, Tensor, Any], Tensor]


def curvature(
    loss: Callable[[Tensor, Tensor, Any], Tensor], jit: Callable[[Callable], Callable]
) -> Curvature:
    """The two compiled pieces; loss(phi, x, aux) -> 0-d."""

    def along(argnum: int) -> Callable:
        def product(phi, w, x, aux):
            return jvp(lambda p: grad(loss, argnum)(p, x, aux), (phi,), (w,))[1]

        return jit(product)

    return Curvature(along(0), along(1))


def conjugate_gradients(product: Callable[[Tensor], Tensor], b: Tensor, steps: int) -> Tensor:
    """w with product(w) = b after ``steps`` steps from 0; product: symmetric, (P,) -> (P,).

    Exact after P steps for a positive definite matrix, to rounding. Stays where it is from the step
    on that meets a direction of no positive curvature, or a residual at rounding of b.
    """
    w, r, p = torch.zeros_like(b), b, b
    rr = b @ b
    floor = rr * torch.finfo(b.dtype).eps ** 2
    going = rr > 0
    for _ in range(steps):
        q = product(p)
        bend = p @ q
        going = going & (bend > 0) & (rr > floor)
        alpha = torch.where(going, rr / bend, 0.0)
        w, r = w + alpha * p, r - alpha * q
        rr_next = r @ r
        p = r + torch.where(going, rr_next / rr, 0.0) * p
        rr = rr_next
    return w


def solve(
    bend: Curvature, phi: Tensor, v: Tensor, x: Tensor, aux: Any, steps: int, damping: float
) -> Tensor:
    """w (P,) of the module's docstring, from ``steps`` Hessian-vector products."""
    return conjugate_gradients(lambda p: bend.hessian(phi, p, x, aux) + damping * p, v, steps)
