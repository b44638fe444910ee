"""WGAN-GP (Gulrajani et al. 2017): a critic whose slope is held near one between data and samples.

    loss_psi   = E D(G(z)) - E D(x) + lambda_gp E (|grad D(x^)| - 1)^2          (their Eq. 3)
    x^ = u x + (1 - u) G(z),  u uniform in [0, 1]
    loss_theta = -E D(G(z))

Algorithm 1: n_critic steps of D, each on data and noise of its own, then one of G; together they
are one iteration here. Their w is psi, their lambda lambda_gp.

Departures: networks, Glorot initialisation and G's noise of the other methods here; their toy
script has three ReLU layers of 512 in G and D, He initialisation and two dimensions of noise. No
batch normalisation in D, as in theirs. 1e-12 under the root, whose slope at zero is infinite.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import Field
from torch import Tensor
from torch.func import grad_and_value

from methods import losses, nets
from methods.base import Batch, Logs, Method, Spec, State
from methods.gan import AdversarialConfig
from methods.optim import adam, init_players


class WGANGPConfig(AdversarialConfig):
    """Settings of WGAN-GP; authors' code on toy data (gan_toy.py)."""

    eta_theta: float = Field(1e-4, gt=0)
    eta_psi: float = Field(1e-4, gt=0)
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.9, ge=0, lt=1)
    n_critic: int = Field(5, ge=1)
    lambda_gp: float = Field(0.1, ge=0)  # weight of the penalty; 10 on images


def penalty(judge: Callable[[Tensor], Tensor], x: Tensor, x_g: Tensor, u: Tensor) -> Tensor:
    """E (|grad D(x^)| - 1)^2. judge: D. u: (B,) in [0, 1], the share of x in x^."""
    u = u.view(-1, *(1 for _ in x.shape[1:]))
    _, slopes = losses.with_slopes(judge, u * x + (1 - u) * x_g)
    return ((slopes + 1e-12).sqrt() - 1).square().mean()


def build(spec: Spec, cfg: WGANGPConfig) -> Method:
    """n_critic steps of D, then one of G."""
    generator = nets.generator(spec, cfg.nets)
    discriminator = nets.discriminator(spec, cfg.nets, ratio=cfg.d_ratio, normalised=False)
    optimiser = adam(cfg.beta1, cfg.beta2)
    data = ("x", *(f"x_critic{i}" for i in range(1, cfg.n_critic)))
    kinds = ("drop_real", "drop_fake", "drop_between")  # noise of D's dropout
    drops = [[f"{kind}{i}" for kind in kinds] for i in range(cfg.n_critic)]

    def penalised(psi: Tensor, x: Tensor, x_g: Tensor, u: Tensor, drops: list) -> Tensor:
        """loss_psi. drops: arguments of D beside x, x_g and what lies between them."""

        def judge(x: Tensor, eps: list[Tensor]) -> Tensor:
            return discriminator.apply(psi, x, *eps)

        real, fake, between = drops
        critic = losses.wasserstein_psi(judge(x, real), judge(x_g, fake))
        return critic + cfg.lambda_gp * penalty(lambda x: judge(x, between), x, x_g, u)

    generate = spec.jit(generator.apply)

    @spec.jit
    def update_psi(psi, opt, x, x_g, mix, drops):
        u = torch.special.ndtr(mix)
        grad, value = grad_and_value(penalised)(psi, x, x_g, u, drops)
        return *optimiser.update(psi, opt, grad, cfg.eta_psi), value

    @spec.jit
    def update_theta(theta, opt, psi, z, eps):
        def loss_theta(theta):
            return losses.linear_theta(discriminator.apply(psi, generator.apply(theta, z), *eps))

        grad, value = grad_and_value(loss_theta)(theta)
        return *optimiser.update(theta, opt, grad, cfg.eta_theta), value

    def init(seed: int) -> State:
        players = {"theta": generator, "psi": discriminator}
        return init_players(seed, {name: (net.init, optimiser) for name, net in players.items()})

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        theta, psi, opt_psi = state["theta"], state["psi"], state["opt_psi"]
        x_g = generator.each(generate, theta, batch["z_psi"])
        for i, name in enumerate(data):
            eps = [discriminator.drawn(batch, drop) for drop in drops[i]]
            psi, opt_psi, loss_psi = update_psi(
                psi, opt_psi, batch[name], x_g[i], batch["mix"][i], eps
            )
        eps = discriminator.drawn(batch, "drop_theta")
        theta, opt_theta, loss_theta = update_theta(theta, state["opt_theta"], psi, batch["z"], eps)
        state = {"theta": theta, "psi": psi, "opt_theta": opt_theta, "opt_psi": opt_psi}
        return state, {"loss_theta": loss_theta, "loss_psi": loss_psi}

    def sample(state: State, z: Tensor) -> Tensor:
        return generator.apply(state["theta"], z)

    noise = {
        "z_psi": (cfg.n_critic, spec.batch, spec.z_dim),
        "mix": (cfg.n_critic, spec.batch),
        "z": (spec.batch, spec.z_dim),
    }
    noise |= discriminator.draws(spec.batch, *sum(drops, []), "drop_theta")
    return Method(init, step, sample, data, noise)
