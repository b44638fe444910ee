"""GMMN (Li et al. 2015; Dziugaite et al. 2015): G descends the squared MMD to the data. Alone.

MMD: maximum mean discrepancy.

    loss_theta = mean_{i != j} k(g_i, g_j) + mean_{i != j} k(x_i, x_j) - 2 mean_{i, j} k(g_i, x_j)
    k(a, b) = sum_s exp(-|a - b|^2 / (2 s^2)),  g_i = G(z_i)

the unbiased estimate of MMD^2 (Gretton et al. 2012, Eq. 3), which may be negative, by a sum of
Gaussian kernels. Official code has fixed s of 2, 5, 10, 20, 40, 80 for its data. Here they are
scaled to the data: the largest is the root of the mean squared distance of two points of the batch,
each further one half of that before, six in all over a factor of 32 (theirs: of 40).

Departures: the squared discrepancy, where the first source also descends its root; G's network and
step size of the other methods here; pixels rather than codes of an autoencoder on images.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.func import grad_and_value

from methods import nets
from methods.base import Batch, Logs, Method, NetworkConfig, Spec, State
from methods.optim import adam, init_players


class MMDConfig(NetworkConfig):
    """Settings of the generative moment matching network."""

    eta_theta: float = Field(1e-3, gt=0)  # as the other generators here
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    kernels: int = Field(6, ge=1)  # Gaussian kernels, as many as in official code


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(A, D), (B, D) -> (A, B)."""
    norms = a.square().sum(1)[:, None] + b.square().sum(1)
    return (norms - 2 * a @ b.T).clamp(min=0)


def mmd(x: Tensor, x_g: Tensor, kernels: int) -> Tensor:
    """Unbiased MMD^2 of two batches (B, D), B >= 2; bandwidths by those of x."""
    count = len(x)
    pairs = count * (count - 1)
    within, fake, across = (squared_distances(*p) for p in ((x, x), (x_g, x_g), (x_g, x)))
    largest = within.sum() / pairs
    value = x.new_zeros(())
    for octave in range(kernels):
        k_x, k_g, k = (torch.exp(-d / (2 * largest / 4**octave)) for d in (within, fake, across))
        off_diagonal = k_x.sum() + k_g.sum() - k_x.trace() - k_g.trace()
        value = value + off_diagonal / pairs - 2 * k.mean()
    return value


def build(spec: Spec, cfg: MMDConfig) -> Method:
    """One Adam step of G per iteration. Raises ValueError for a batch without pairs."""
    if spec.batch < 2:
        raise ValueError("mmd needs a batch of two points or more")
    generator = nets.generator(spec, cfg.nets)
    optimiser = adam(cfg.beta1, cfg.beta2)

    @spec.jit
    def update(theta, opt, x, z):
        def loss_theta(theta):
            return mmd(x.flatten(1), generator.apply(theta, z).flatten(1), cfg.kernels)

        grad, value = grad_and_value(loss_theta)(theta)
        return *optimiser.update(theta, opt, grad, cfg.eta_theta), value

    def init(seed: int) -> State:
        return init_players(seed, {"theta": (generator.init, optimiser)})

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        theta, opt_theta, loss = update(state["theta"], state["opt_theta"], batch["x"], batch["z"])
        return {"theta": theta, "opt_theta": opt_theta}, {"loss_theta": loss}

    def sample(state: State, z: Tensor) -> Tensor:
        return generator.apply(state["theta"], z)

    return Method(init, step, sample, ("x",), {"z": (spec.batch, spec.z_dim)})
