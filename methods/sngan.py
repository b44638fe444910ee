"""SN-GAN (Miyato et al. 2018): a discriminator whose every weight has spectral norm one.

    W_SN = W / sigma(W),  sigma(W) = u^T W v
    v <- W^T u / |W^T u|,  u <- W v / |W v|            one power iteration per use of D
    loss_psi   = E relu(1 - D(x)) + E relu(1 + D(G(z)))          (their Eqs. 16 and 17)
    loss_theta = -E D(G(z))

with D's layers using W_SN; u and v count as constants under differentiation (their Algorithm 1).
A convolution's W is its kernel with one row per output channel. n_critic (their n_dis) steps of D,
each on data and noise of its own, then one of G; together they are one iteration here. All u are
one vector of the state.

Departures: networks, Glorot initialisation and G's noise of the other methods here, but D with ReLU
in 2D: under this bound on its weights tanh hardly bends over data of size one, and D is linear but
for 0.03 % of its variance, against 60 % with ReLU (weights as drawn, points from N(0, I)). No batch
normalisation in D, as in theirs; there is no code of theirs for 2D data. Their step sizes decay
linearly from the start, which ``anneal=1`` does. They iterate before data and before generated
points, and give G twice D's batch.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from torch.func import grad_and_value

from methods import losses, nets
from methods.base import Batch, Logs, Method, Spec, State, seeded
from methods.gan import AdversarialConfig
from methods.optim import adam, init_players


class SNGANConfig(AdversarialConfig):
    """Settings of SN-GAN; authors' code on images."""

    eta_theta: float = Field(2e-4, gt=0)
    eta_psi: float = Field(2e-4, gt=0)
    beta1: float = Field(0.0, ge=0, lt=1)
    beta2: float = Field(0.9, ge=0, lt=1)
    n_critic: int = Field(5, ge=1)


def spectrally_normalised(
    psi: Tensor, u: Tensor, shapes: tuple[tuple[int, ...], ...]
) -> tuple[Tensor, Tensor]:
    """psi with every weight (those of two axes or more) over its spectral norm, as far as one power
    iteration from u knows it; and u after it.
    """
    left = iter(u.split([shape[0] for shape in shapes if len(shape) > 1]))
    parts, after = [], []
    for part, shape in zip(psi.split([math.prod(s) for s in shapes]), shapes, strict=True):
        if len(shape) > 1:
            weight = part.view(shape[0], -1)
            fixed = weight.detach()
            right = F.normalize(next(left) @ fixed, dim=0)
            after.append(F.normalize(fixed @ right, dim=0))
            part = part / (after[-1] @ weight @ right)
        parts.append(part)
    return torch.cat(parts), torch.cat(after)


def build(spec: Spec, cfg: SNGANConfig) -> Method:
    """n_critic steps of D, then one of G."""
    generator = nets.generator(spec, cfg.nets)
    discriminator = nets.discriminator(
        spec, cfg.nets, ratio=cfg.d_ratio, normalised=False, activation=torch.relu
    )
    optimiser = adam(cfg.beta1, cfg.beta2)
    data = ("x", *(f"x_critic{i}" for i in range(1, cfg.n_critic)))
    drops = [(f"drop_real{i}", f"drop_fake{i}") for i in range(cfg.n_critic)]  # of D's dropout
    rows = sum(shape[0] for shape in discriminator.shapes if len(shape) > 1)

    generate = spec.jit(generator.apply)

    @spec.jit
    def update_psi(psi, opt, u, real, fake):
        def loss_psi(psi):
            normal, after = spectrally_normalised(psi, u, discriminator.shapes)
            logits = (discriminator.apply(normal, *given) for given in (real, fake))
            return losses.hinge_psi(*logits), after

        grad, (value, after) = grad_and_value(loss_psi, has_aux=True)(psi)
        return *optimiser.update(psi, opt, grad, cfg.eta_psi), after, value

    @spec.jit
    def update_theta(theta, opt, psi, u, z, eps):
        normal, after = spectrally_normalised(psi, u, discriminator.shapes)

        def loss_theta(theta):
            logits = discriminator.apply(normal, generator.apply(theta, z), *eps)
            return losses.linear_theta(logits)

        grad, value = grad_and_value(loss_theta)(theta)
        return *optimiser.update(theta, opt, grad, cfg.eta_theta), after, value

    def init(seed: int) -> State:
        players = {"theta": generator, "psi": discriminator}
        start = {name: (net.init, optimiser) for name, net in players.items()}
        return init_players(seed, start) | {"u": torch.randn(rows, generator=seeded(seed, "u"))}

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        theta, psi, opt_psi, u = (state[name] for name in ("theta", "psi", "opt_psi", "u"))
        x_g = generator.each(generate, theta, batch["z_psi"])
        for i, name in enumerate(data):
            real, fake = (discriminator.drawn(batch, drop) for drop in drops[i])
            psi, opt_psi, u, loss_psi = update_psi(
                psi, opt_psi, u, [batch[name], *real], [x_g[i], *fake]
            )
        eps = discriminator.drawn(batch, "drop_theta")
        theta, opt_theta, u, loss_theta = update_theta(
            theta, state["opt_theta"], psi, u, batch["z"], eps
        )
        params = {"theta": theta, "psi": psi, "u": u}
        state = params | {"opt_theta": opt_theta, "opt_psi": opt_psi}
        return state, {"loss_theta": loss_theta, "loss_psi": loss_psi}

    def sample(state: State, z: Tensor) -> Tensor:
        return generator.apply(state["theta"], z)

    noise = {"z_psi": (cfg.n_critic, spec.batch, spec.z_dim), "z": (spec.batch, spec.z_dim)}
    noise |= discriminator.draws(spec.batch, *sum(drops, ()), "drop_theta")
    return Method(init, step, sample, data, noise)
