"""LBT-GAN: LBT with a discriminator against low-quality samples (paper section 3.2, Eq. 8).

    loss_theta = -E_p[log p_E(x; phi^K)] + lambda_G * E sp(-D(G(z; theta)))
    loss_psi   = E sp(-D(x)) + E sp(D(G(z; theta)))       (unweighted, one step, never unrolled)

Order within an iteration: M estimator updates, one discriminator step, one generator step on
separate noise for the adversarial term. The clip applies to the summed gradient. D's dropout is as
in ``methods/gan.py``.

Departures: those of ``methods/lbt.py``; D and the estimator's objective see independent data
batches, where the authors' image scripts give both the same one; and the generator's adversarial
term is non-saturating, as in the authors' code (Eq. 8 writes E log D, the same thing), which
``saturating`` changes.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from methods import kernels, losses, nets
from methods.base import Batch, Logs, Method, Spec, State, WarmUp
from methods.gan import discriminator_update, through_discriminator
from methods.lbt import LBTConfig, pupil, student
from methods.optim import adam, init_players


class LBTGANConfig(LBTConfig):
    """Settings of LBT-GAN."""

    # weight of the GAN term; paper section 5, synthetic data; 1 on images
    lambda_G: float = Field(0.1, ge=0)
    eta_psi: float = Field(1e-4, gt=0)  # authors' code
    saturating: bool = False  # discriminator's game, as GAN's
    warm_up: int = Field(0, ge=0)  # first updates as a plain GAN; authors' code: 3000 on images


def build(spec: Spec, cfg: LBTGANConfig) -> Method:
    """LBT plus lambda_G times a GAN."""
    generator = nets.generator(spec, cfg.nets)
    discriminator = nets.discriminator(spec, cfg.nets, ratio=cfg.d_ratio)
    learner = student(spec, cfg)
    optimiser = adam(cfg.beta1, cfg.beta2)
    loss_theta = losses.gan_theta_saturating if cfg.saturating else losses.gan_theta

    descend = kernels.descent(spec, optimiser, cfg.clip_norm)
    generate = generator.forward(spec.jit)
    update_psi = discriminator_update(spec, cfg, discriminator)
    adversarial = through_discriminator(generator, discriminator, loss_theta, spec.jit)

    def init(seed: int) -> State:
        players = {"theta": (generator.init, optimiser), "psi": (discriminator.init, optimiser)}
        return init_players(seed, players) | learner.init(seed)

    def step(state: State, batch: Batch, teaching: bool = True) -> tuple[State, Logs]:
        theta, taught = state["theta"], pupil(state)
        if teaching:
            taught = learner.learn(theta, taught, batch)
        real = [batch["x_psi"], *discriminator.drawn(batch, "drop_real")]
        fake = [generate(theta, batch["z_psi"]), *discriminator.drawn(batch, "drop_fake")]
        psi, opt_psi, loss_psi = update_psi(state["psi"], state["opt_psi"], real, fake)
        eps = discriminator.drawn(batch, "drop_theta")
        grad, loss_gan = adversarial(theta, psi, batch["z"], eps)
        logs = {"loss_gan": loss_gan, "loss_psi": loss_psi}
        grad = cfg.lambda_G * grad
        if teaching:
            grad_lbt, logs["loss_theta"], taught = learner.teach(theta, taught, batch)
            grad = grad_lbt + grad
        theta, opt_theta = descend(theta, state["opt_theta"], grad, cfg.eta_theta)
        players = {"theta": theta, "psi": psi, "opt_theta": opt_theta, "opt_psi": opt_psi}
        return players | taught, logs

    def plain_gan(state: State, batch: Batch) -> tuple[State, Logs]:
        """The authors' first iterations on images: E is not trained and has no say."""
        return step(state, batch, teaching=False)

    def sample(state: State, z: Tensor) -> Tensor:
        return generator.apply(state["theta"], z)

    z_shape = (spec.batch, spec.z_dim)
    noise = learner.noise | {"z_psi": z_shape, "z": z_shape}
    noise |= discriminator.draws(spec.batch, "drop_real", "drop_fake", "drop_theta")
    warm_up = WarmUp(cfg.warm_up, plain_gan) if cfg.warm_up else None
    data = ("x", "x_psi")
    also, probe, native = learner.also, learner.probe, learner.native
    return Method(init, step, sample, data, noise, warm_up, also, probe, native=native)
