"""VEEGAN (Srivastava et al. 2017): a reconstructor F(x; xi) maps data back to noise.

D(z, x) estimates log [q(x|z) p0(z)] / [p_F(z|x) p(x)], with p_F(z|x) = N(F(x), sigma^2 I) and
sigma = 1 as in the authors' script for 2D data (public copies; the official file is gone): label 1
is the generated pair.

    loss_psi   = E sp(-D(z, G(z))) + E sp(D(z_F, x)),  z_F ~ p_F(z|x)
    loss_theta = E D(z, G(z)) + E ||z - F(G(z))||^2    (raw logit, no log-sigmoid)
    loss_xi    = E ||z - F(G(z))||^2

``sigma = 0`` is the deterministic F of their Julia notebook. The ratio is then infinite whatever G
does, since F(x) fills no more dimensions of the noise than x has, and D tells the pairs apart by
z alone: |z|^2 is 256 and |F(x)|^2 about 10.

The squared distance is summed over the latent dimensions, weight 1 (authors' notebook); a
per-dimension mean would be Z = 256 times weaker. Their script's -log p_F(z|G(z)) is half of it:
``reconstruction = 0.5``.

Departures: F has no adversarial term (Algorithm 1; the authors' Julia notebook has one). D moves
first, then G and F against the new D on fresh noise, like every alternating method here; their
script moves all three at once. Networks and step sizes of the other methods here (their script:
1e-3 for all three); F is G's mirror in 2D and two hidden layers of 500 on images, with G's step
size.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor
from torch.func import grad_and_value

from methods import losses, nets
from methods.base import Batch, Logs, Method, Spec, State
from methods.gan import AdversarialConfig
from methods.optim import adam, init_players


class VEEGANConfig(AdversarialConfig):
    """Settings of VEEGAN."""

    eta_xi: float = Field(1e-3, gt=0)  # G and F are trained jointly, at G's step size
    reconstruction: float = Field(1.0, ge=0)  # weight of ||z - F(G(z))||^2; Algorithm 1
    sigma: float = Field(1.0, ge=0)  # standard deviation of p_F(z|x); 0: z_F = F(x)


def build(spec: Spec, cfg: VEEGANConfig) -> Method:
    """VEEGAN: one D step, then one joint step of G and F."""
    generator = nets.generator(spec, cfg.nets)
    reconstructor = nets.encoder(spec, spec.z_dim)
    discriminator = nets.discriminator(spec, cfg.nets, ratio=cfg.d_ratio, extra=spec.z_dim)
    optimiser = adam(cfg.beta1, cfg.beta2)

    judge = discriminator.apply
    drops = ("drop_real", "drop_fake", "drop_theta")  # noise of D's dropout

    @spec.jit
    def update_psi(psi, opt, theta, xi, x, z, eps_xi, real, fake):
        x_g = generator.apply(theta, z)
        z_x = reconstructor.apply(xi, x) + cfg.sigma * eps_xi

        def loss_psi(psi):
            return losses.gan_psi(judge(psi, x_g, z, *fake), judge(psi, x, z_x, *real))

        grad, value = grad_and_value(loss_psi)(psi)
        return *optimiser.update(psi, opt, grad, cfg.eta_psi), value

    @spec.jit
    def update_theta_xi(theta, opt_theta, xi, opt_xi, psi, z, eps):
        def loss(theta, xi):
            x_g = generator.apply(theta, z)
            distance = (z - reconstructor.apply(xi, x_g)).square().sum(1).mean()
            return judge(psi, x_g, z, *eps).mean() + cfg.reconstruction * distance

        (grad_theta, grad_xi), value = grad_and_value(loss, argnums=(0, 1))(theta, xi)
        theta, opt_theta = optimiser.update(theta, opt_theta, grad_theta, cfg.eta_theta)
        xi, opt_xi = optimiser.update(xi, opt_xi, grad_xi, cfg.eta_xi)
        return theta, opt_theta, xi, opt_xi, value

    def init(seed: int) -> State:
        players = {"theta": generator, "xi": reconstructor, "psi": discriminator}
        return init_players(seed, {name: (net.init, optimiser) for name, net in players.items()})

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        theta, xi = state["theta"], state["xi"]
        real, fake, eps = (discriminator.drawn(batch, name) for name in drops)
        drawn = (batch[name] for name in ("x", "z_psi", "eps_xi"))
        psi, opt_psi, loss_psi = update_psi(
            state["psi"], state["opt_psi"], theta, xi, *drawn, real, fake
        )
        theta, opt_theta, xi, opt_xi, loss_theta = update_theta_xi(
            theta, state["opt_theta"], xi, state["opt_xi"], psi, batch["z"], eps
        )
        params = {"theta": theta, "xi": xi, "psi": psi}
        state = params | {"opt_theta": opt_theta, "opt_xi": opt_xi, "opt_psi": opt_psi}
        return state, {"loss_theta": loss_theta, "loss_psi": loss_psi}

    def sample(state: State, z: Tensor) -> Tensor:
        return generator.apply(state["theta"], z)

    noise = dict.fromkeys(("z_psi", "eps_xi", "z"), (spec.batch, spec.z_dim))
    noise |= discriminator.draws(spec.batch, *drops)
    return Method(init, step, sample, ("x",), noise)
