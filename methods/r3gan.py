"""R3GAN's loss (Huang et al. 2024): relativistic pairs, and gradients of D penalised on both sides.

    loss_psi   = E sp(-(D(x) - D(G(z)))) + gamma / 2 (R1 + R2)
    R1 = E |grad_x D(x)|^2,  R2 = E |grad_x D(G(z))|^2
    loss_theta = E sp(-(D(G(z)) - D(x)))                       on fresh data and noise

Their f(t) = -log(1 + e^-t) is -sp(-t); their zero-centred penalties (Mescheder et al. 2018) are on
every update, since they report that lazy ones fail on 2D data and Stacked MNIST. The paper's
ablations are settings: ``relativistic=False`` is the non-saturating GAN with the same penalties,
``penalty=r1`` leaves R2 out, ``penalty=none`` both.

Departures: networks and Glorot initialisation of the other methods here, not their ResNets; in D
none of the batch normalisation that they have on images, as theirs has none. gamma and beta2 stay
constant, where their runs go from 1 to 0.1 and from 0.9 to 0.99. Averaged weights are ``average``,
off as everywhere. D moves first, then G against the new D.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor
from torch.func import grad_and_value

from methods import losses, nets
from methods.base import Batch, Logs, Method, Spec, State
from methods.gan import AdversarialConfig
from methods.optim import adam, init_players


class R3GANConfig(AdversarialConfig):
    """Settings of R3GAN; authors' on Stacked MNIST (their Table 9)."""

    eta_theta: float = Field(2e-4, gt=0)
    eta_psi: float = Field(2e-4, gt=0)
    beta1: float = Field(0.0, ge=0, lt=1)
    beta2: float = Field(0.99, ge=0, lt=1)
    # weight of both penalties; their start; in 2D a replication (D2L) has 1 throughout
    gamma: float = Field(1.0, ge=0)
    relativistic: bool = True  # the loss is on pairs; else the non-saturating one
    # on D's gradient: at data (r1) and samples (r2)
    penalty: Literal["r1r2", "r1", "none"] = "r1r2"


def build(spec: Spec, cfg: R3GANConfig) -> Method:
    """Alternating D and G steps."""
    generator = nets.generator(spec, cfg.nets)
    discriminator = nets.discriminator(spec, cfg.nets, ratio=cfg.d_ratio, normalised=False)
    optimiser = adam(cfg.beta1, cfg.beta2)
    names = ("drop_real", "drop_fake", "drop_theta_real", "drop_theta")  # noise of D's dropout

    def penalised(psi: Tensor, real: list[Tensor], fake: list[Tensor]) -> Tensor:
        """loss_psi. real, fake: arguments of D on data and on generated points."""
        logits, weighted = [], 0.0
        for (x, *eps), weight in ((real, cfg.penalty != "none"), (fake, cfg.penalty == "r1r2")):
            if weight:
                found, slopes = losses.with_slopes(
                    lambda x, eps=eps: discriminator.apply(psi, x, *eps), x
                )
                weighted = weighted + cfg.gamma / 2 * slopes.mean()
            else:
                found = discriminator.apply(psi, x, *eps)
            logits.append(found)
        loss = losses.relativistic if cfg.relativistic else losses.gan_psi
        return loss(*logits) + weighted

    generate = spec.jit(generator.apply)

    @spec.jit
    def update_psi(psi, opt, real, fake):
        grad, value = grad_and_value(penalised)(psi, real, fake)
        return *optimiser.update(psi, opt, grad, cfg.eta_psi), value

    @spec.jit
    def update_theta(theta, opt, psi, z, real, eps):
        def loss_theta(theta):
            fake = discriminator.apply(psi, generator.apply(theta, z), *eps)
            if not cfg.relativistic:
                return losses.gan_theta(fake)
            return losses.relativistic(fake, discriminator.apply(psi, *real))

        grad, value = grad_and_value(loss_theta)(theta)
        return *optimiser.update(theta, opt, grad, cfg.eta_theta), value

    def init(seed: int) -> State:
        players = {"theta": generator, "psi": discriminator}
        return init_players(seed, {name: (net.init, optimiser) for name, net in players.items()})

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        theta = state["theta"]
        real, fake, real_theta, eps = (discriminator.drawn(batch, name) for name in names)
        x_g = generate(theta, batch["z_psi"])
        psi, opt_psi, loss_psi = update_psi(
            state["psi"], state["opt_psi"], [batch["x_psi"], *real], [x_g, *fake]
        )
        theta, opt_theta, loss_theta = update_theta(
            theta, state["opt_theta"], psi, batch["z"], [batch["x"], *real_theta], eps
        )
        state = {"theta": theta, "psi": psi, "opt_theta": opt_theta, "opt_psi": opt_psi}
        return state, {"loss_theta": loss_theta, "loss_psi": loss_psi}

    def sample(state: State, z: Tensor) -> Tensor:
        return generator.apply(state["theta"], z)

    noise = dict.fromkeys(("z_psi", "z"), (spec.batch, spec.z_dim))
    noise |= discriminator.draws(spec.batch, *names)
    return Method(init, step, sample, ("x", "x_psi"), noise)
