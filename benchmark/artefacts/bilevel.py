"""Small bilevel problems with exact Hessians: what unrolling makes of the gradient of Eq. 4.

Random generators G(z; theta), each with an estimator at its optimum phi* on the samples of G and
the data it is to be taught. For every one of them the K-step unrolled gradient (Eq. 5, plain
gradient steps as written there, ``methods.unroll``), the influence function's (Eq. 4, exact
Hessian, and by conjugate gradients as in ``methods.implicit``), and finite differences of the
bilevel objective itself, E_p[log p_E(x; phi*(theta))]. Everything in float64, stacked by vmap.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import grad, hessian, jacrev, vmap

from benchmark import data
from methods import nets
from methods.base import seeded
from methods.implicit import curvature, solve
from methods.optim import sgd
from methods.unroll import inner_problem, unroll

INSTANCES = 300  # of each family
POINTS = 64  # generated samples, and data points, of an instance
HIDDEN = 4  # units of the generator: (2 -> 4 -> D), 17 or 22 parameters
STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 200)  # K, and Hessian-vector products of CG up to P
EM_STEPS, NEWTON_STEPS = 500, 5
FD_STEP = 1e-4  # of theta: curvature costs its square, rounding 1e-16 over it
OPTIMAL = 1e-9  # norm of the inner gradient at which phi counts as optimal
CURVED = 1e-4  # least eigenvalue of H for phi to count as a proper optimum


class Family(NamedTuple):
    """An estimator with few parameters.

    log_prob: (phi (P,), x (N, D)) -> (N,), nats. fit: x (N, D) -> phi, near its optimum.
    data: normals (N, 3) -> the data to be taught (N, D).
    """

    dim: int
    log_prob: Callable[[Tensor, Tensor], Tensor]
    fit: Callable[[Tensor], Tensor]
    data: Callable[[Tensor], Tensor]


def gaussian_log_prob(phi: Tensor, x: Tensor) -> Tensor:
    """A 2D Gaussian with any covariance: phi = mean, then L with the precision L L', log diagonal.

    phi: (5,), the entries of L as (log L11, L21, log L22).
    """
    offset = x - phi[:2]
    first = phi[2].exp() * offset[:, 0] + phi[3] * offset[:, 1]
    second = phi[4].exp() * offset[:, 1]
    return phi[2] + phi[4] - (first.square() + second.square()) / 2 - math.log(2 * math.pi)


def gaussian_fit(x: Tensor) -> Tensor:
    """The optimum in closed form: mean and covariance of the samples."""
    mean = x.mean(0)
    covariance = (x - mean).T @ (x - mean) / len(x)
    factor = torch.linalg.cholesky(torch.linalg.inv(covariance))
    shape = torch.stack([factor[0, 0].log(), factor[1, 0], factor[1, 1].log()])
    return torch.cat([mean, shape])


def mixture_log_prob(phi: Tensor, x: Tensor) -> Tensor:
    """Two 1D Gaussians: phi = (logit of the second's weight, two means, two log-variances)."""
    log_weight = torch.nn.functional.logsigmoid(torch.stack([-phi[0], phi[0]]))
    means, log_var = phi[1:3], phi[3:5]
    terms = -((x - means).square() * (-log_var).exp() + log_var + math.log(2 * math.pi)) / 2
    return torch.logsumexp(log_weight + terms, dim=1)


def mixture_fit(x: Tensor) -> Tensor:
    """EM from the two halves of the samples."""
    order = x.flatten().sort().values
    halves = order.view(2, -1)
    weight, means, var = x.new_full((2,), 0.5), halves.mean(1), halves.var(1)
    for _ in range(EM_STEPS):
        phi = torch.cat([(weight[1] / weight[0]).log()[None], means, var.log()])
        terms = weight.log() - ((x - means).square() / var + var.log()) / 2
        share = torch.softmax(terms, dim=1)
        total = share.sum(0)
        weight, means = total / len(x), (share * x).sum(0) / total
        var = (share * (x - means).square()).sum(0) / total
    return phi


FAMILIES = {
    "Gaussian": Family(2, gaussian_log_prob, gaussian_fit, data.load("ring").push),
    "mixture": Family(1, mixture_log_prob, mixture_fit, data.load("toy1d").push),
}


class Gradients(NamedTuple):
    """Of each instance i of n, those whose phi* is a proper optimum.

    condition: (n,), of H. jacobian_x: (n,), cosine of the two Jacobians d phi / dx at K = 1, the
        statement below Eq. 6. gradient_x, gradient_theta: (n,), cosine of the two gradients at
        K = 1. fd: (n, P) gradient in theta of the bilevel objective by finite differences.
    exact: (n, P), Eq. 4. unrolled: K -> (n, P). cg: steps -> (n, P). rejected: how many instances
    had no proper optimum.
    """

    condition: Tensor
    jacobian_x: Tensor
    gradient_x: Tensor
    gradient_theta: Tensor
    fd: Tensor
    exact: Tensor
    unrolled: dict[int, Tensor]
    cg: dict[int, Tensor]
    rejected: int


def gradients(name: str, instances: int = INSTANCES) -> Gradients:
    """All gradients of the instances of one family; the same call gives the same numbers."""
    family = FAMILIES[name]
    net = nets.mlp((2, HIDDEN, family.dim))
    stream = seeded("theory", name)

    def normals(*shape: int) -> Tensor:
        return torch.randn(instances, *shape, generator=stream, dtype=torch.float64)

    theta, z = normals(net.size), normals(POINTS, 2)
    x = torch.stack([family.data(part.float()).double() for part in normals(POINTS, 3)])
    with torch.no_grad():
        found = vmap(_instance(family, net), chunk_size=100)(theta, z, x)
    proper = (found.pop("residual") < OPTIMAL) & (found.pop("least") > CURVED)
    kept = {key: value[proper] for key, value in found.items()}
    series = {
        kind: {k: kept.pop(f"{kind}{k}") for k in STEPS if f"{kind}{k}" in kept}
        for kind in ("unrolled", "cg")
    }
    return Gradients(**kept, **series, rejected=int((~proper).sum()))


def _instance(family: Family, net: nets.Net) -> Callable[..., dict[str, Tensor]]:
    """One instance: (theta (P,), z (N, 2), data x (N, D)) -> tensors by name."""

    def loss(phi: Tensor, x: Tensor, aux: None = None) -> Tensor:
        return -family.log_prob(phi, x).mean()

    inner = inner_problem(loss, sgd(), lambda fn: fn)
    bend = curvature(loss, lambda fn: fn)

    def newton(phi: Tensor, x_g: Tensor) -> Tensor:
        for _ in range(NEWTON_STEPS):
            phi = phi - torch.linalg.solve(hessian(loss)(phi, x_g), grad(loss)(phi, x_g))
        return phi

    def instance(theta: Tensor, z: Tensor, x: Tensor) -> dict[str, Tensor]:
        x_g = net.apply(theta, z)
        jacobian = jacrev(net.apply)(theta, z).flatten(0, 1)  # dx / dtheta (N D, P)
        phi = newton(family.fit(x_g), x_g)
        h = hessian(loss)(phi, x_g)
        cross = jacrev(grad(loss), argnums=1)(phi, x_g).flatten(1)  # (P_phi, N D)
        v = grad(loss)(phi, x)  # of the outer objective, minimised
        # A fit that ran away (a component on one sample) is rejected by its residual afterwards.
        eigenvalues = torch.linalg.eigvalsh(torch.where(h.isfinite().all(), h, torch.eye(len(h))))
        eta = 1 / eigenvalues[-1]
        influence = -torch.linalg.solve(h, cross)  # dphi* / dx, Eq. 4
        one_step = -eta * cross  # dphi^1 / dx, Eq. 6

        def objective(theta: Tensor) -> Tensor:
            return loss(newton(phi, net.apply(theta, z)), x)

        steps = FD_STEP * torch.eye(len(theta), dtype=theta.dtype)
        fd = vmap(lambda s: objective(theta + s) - objective(theta - s))(steps) / (2 * FD_STEP)
        out = {
            "residual": grad(loss)(phi, x_g).norm(),
            "least": eigenvalues[0],
            "condition": eigenvalues[-1] / eigenvalues[0],
            "jacobian_x": cosine(one_step, influence),
            "gradient_x": cosine(one_step.T @ v, influence.T @ v),
            "gradient_theta": cosine(jacobian.T @ (one_step.T @ v), jacobian.T @ (influence.T @ v)),
            "fd": fd,
            "exact": jacobian.T @ (influence.T @ v),
        }
        # At phi* no step moves: the last k steps of a long unroll are an unroll of k.
        _, pull = unroll(inner, phi, {}, [x_g] * STEPS[-1], [None] * STEPS[-1], eta)
        h_xs = torch.stack(pull(v)).flip(0).cumsum(0)
        for k in STEPS:
            out[f"unrolled{k}"] = jacobian.T @ h_xs[k - 1].flatten()
            if k <= len(phi):
                w = solve(bend, phi, v, x_g, None, k, 0.0)
                out[f"cg{k}"] = -jacobian.T @ bend.cross(phi, w, x_g, None).flatten()
        return out

    return instance


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of two tensors of one shape, taken as vectors; 0-d."""
    return (a * b).sum() / (a.norm() * b.norm())
