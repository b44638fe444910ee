"""GAN (Goodfellow et al. 2014) with the non-saturating generator loss, and its close relatives.

One discriminator step, then one generator step on fresh noise. LSGAN and PacGAN are this file with
another loss or a packed discriminator. On images the same losses with convolutional networks are
what the paper calls DCGAN. Where D has dropout (``methods/convnets.py``), it drops anew for data,
for generated points and for G.

Departures: none from the authors' baseline (same networks, step sizes and Adam as LBT).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.func import grad_and_value

from methods import kernels, losses, nets
from methods.base import Batch, Logs, Method, NetworkConfig, Spec, State
from methods.optim import Opt, adam, init_players


class AdversarialConfig(NetworkConfig):
    """Settings of every adversarial method."""

    eta_theta: float = Field(1e-3, gt=0)  # authors' code, and LSGAN's and Unrolled GAN's
    eta_psi: float = Field(1e-4, gt=0)  # authors' code, and LSGAN's and Unrolled GAN's
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)


class GANConfig(AdversarialConfig):
    """Settings of GAN."""

    # G descends E log(1 - D), whose gradient is that of JS; authors' code: False
    saturating: bool = False


class Losses(NamedTuple):
    """psi: (real logits, fake logits) -> 0-d. theta: (fake logits) -> 0-d. Both minimised."""

    psi: Callable[[Tensor, Tensor], Tensor]
    theta: Callable[[Tensor], Tensor]


def build(spec: Spec, cfg: GANConfig) -> Method:
    """GAN with the non-saturating generator loss, or the saturating one."""
    theta = losses.gan_theta_saturating if cfg.saturating else losses.gan_theta
    return adversarial(spec, cfg, Losses(losses.gan_psi, theta))


def discriminator_update(
    spec: Spec,
    cfg: AdversarialConfig,
    discriminator: nets.Net,
    loss: Callable[[Tensor, Tensor], Tensor] = losses.gan_psi,
) -> Callable[[Tensor, Opt, list[Tensor], list[Tensor]], tuple[Tensor, Opt, Tensor]]:
    """One Adam step of D: (psi, opt, real, fake) -> (psi, opt, loss).

    real, fake: arguments of D on data and on generated points.
    """
    optimiser = adam(cfg.beta1, cfg.beta2)

    @spec.jit
    def update(psi, opt, real, fake):
        def loss_psi(psi):
            return loss(discriminator.apply(psi, *real), discriminator.apply(psi, *fake))

        grad, value = grad_and_value(loss_psi)(psi)
        return *optimiser.update(psi, opt, grad, cfg.eta_psi), value

    kernel = discriminator.judging if loss is losses.gan_psi else None
    if kernel is None:
        return update

    def native(psi, opt, real, fake):
        given = psi, opt, *fake, (real, []), cfg.eta_psi
        psi, opt, _, value = kernel.step(optimiser.adam, *given)
        return psi, opt, torch.tensor(value)

    return kernels.either(native, update)


def through_discriminator(
    generator: nets.Net,
    discriminator: nets.Net,
    loss: Callable[[Tensor], Tensor],
    jit: Callable[[Callable], Callable],
) -> Callable[[Tensor, Tensor, Tensor, list[Tensor]], tuple[Tensor, Tensor]]:
    """dJ/dtheta and J = loss(D(G(z))): (theta, psi, z, D's noise) -> (gradient, value)."""

    @jit
    @grad_and_value
    def reference(theta: Tensor, psi: Tensor, z: Tensor, eps: list[Tensor]) -> Tensor:
        return loss(discriminator.apply(psi, generator.apply(theta, z), *eps))

    if not (generator.kernel and discriminator.kernel):
        return reference
    blame = jit(grad_and_value(loss))

    def native(theta: Tensor, psi: Tensor, z: Tensor, eps: list[Tensor]) -> tuple[Tensor, Tensor]:
        x_g, pull_theta = generator.kernel.differentiable(theta, z)
        logits, pull_x = discriminator.kernel.input_differentiable(psi, x_g)
        g, value = blame(logits.squeeze(-1))
        return pull_theta(pull_x(g.unsqueeze(-1))), value

    return kernels.either(native, reference)


def adversarial(spec: Spec, cfg: AdversarialConfig, loss: Losses, pack: int = 1) -> Method:
    """Alternating D and G steps with any pair of losses; D judges packs of ``pack`` points."""
    spec = spec._replace(native=spec.native and pack == 1)  # packs take the reference
    generator = nets.generator(spec, cfg.nets)
    discriminator = nets.discriminator(spec, cfg.nets, ratio=cfg.d_ratio, pack=pack)
    optimiser = adam(cfg.beta1, cfg.beta2)
    data = ("x", *(f"x_pack{i}" for i in range(1, pack)))

    def packs(theta: Tensor, z: Tensor) -> Tensor:
        """z (pack * B, Z) -> joint points (B, pack * channels, ...)."""
        return torch.cat(generator.apply(theta, z).chunk(pack), dim=1)

    generate = spec.jit(packs)

    update_psi = discriminator_update(spec, cfg, discriminator, loss.psi)

    @spec.jit
    def update_theta(theta, opt, psi, z, eps):
        def loss_theta(theta):
            return loss.theta(discriminator.apply(psi, packs(theta, z), *eps))

        grad, value = grad_and_value(loss_theta)(theta)
        return *optimiser.update(theta, opt, grad, cfg.eta_theta), value

    native = bool(generator.kernel and discriminator.kernel)
    if native:
        generate = generator.forward(spec.jit)
        gradient = through_discriminator(generator, discriminator, loss.theta, spec.jit)
        descend = kernels.descent(spec, optimiser)

        def move_theta(theta, opt, psi, z, eps):
            grad, value = gradient(theta, psi, z, eps)
            return *descend(theta, opt, grad, cfg.eta_theta), value

        update_theta = kernels.either(move_theta, update_theta)

    def init(seed: int) -> State:
        return init_players(
            seed,
            {"theta": (generator.init, optimiser), "psi": (discriminator.init, optimiser)},
        )

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        theta = state["theta"]
        x = torch.cat([batch[name] for name in data], dim=1)
        real = [x, *discriminator.drawn(batch, "drop_real")]
        fake = [generate(theta, batch["z_psi"]), *discriminator.drawn(batch, "drop_fake")]
        psi, opt_psi, loss_psi = update_psi(state["psi"], state["opt_psi"], real, fake)
        eps = discriminator.drawn(batch, "drop_theta")
        theta, opt_theta, loss_theta = update_theta(theta, state["opt_theta"], psi, batch["z"], eps)
        state = {"theta": theta, "psi": psi, "opt_theta": opt_theta, "opt_psi": opt_psi}
        return state, {"loss_theta": loss_theta, "loss_psi": loss_psi}

    def sample(state: State, z: Tensor) -> Tensor:
        return generator.apply(state["theta"], z)

    rows = pack * spec.batch
    noise = {"z_psi": (rows, spec.z_dim), "z": (rows, spec.z_dim)}
    noise |= discriminator.draws(spec.batch, "drop_real", "drop_fake", "drop_theta")
    return Method(init, step, sample, data, noise, native=native)
