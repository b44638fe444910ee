"""ALI (Dumoulin et al. 2016): a discriminator on pairs (x, z) trains a generator and an encoder.

    z_x      = mu(x; xi) + sigma(x; xi) * eps                     stochastic encoder
    loss_psi = E sp(-D(x, z_x)) + E sp(D(G(z), z))
    loss_theta_xi = E sp(D(x, z_x)) + E sp(-D(G(z), z))

All three players move at once on the same batch, as in the authors' code; the masks of D's dropout,
on photographs, are part of it.

Departures: networks and step sizes of the other methods here; the encoder takes G's step size, and
its heads are linear where the VEEGAN authors' ALI has tanh on both.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor
from torch.func import grad_and_value

from methods import losses, nets
from methods.base import Batch, Logs, Method, Spec, State
from methods.gan import AdversarialConfig
from methods.optim import adam, init_players


class ALIConfig(AdversarialConfig):
    """Settings of ALI."""

    eta_xi: float = Field(1e-3, gt=0)  # G and the encoder share a step size in the authors' code


def build(spec: Spec, cfg: ALIConfig) -> Method:
    """ALI with simultaneous updates."""
    generator = nets.generator(spec, cfg.nets)
    encoder = nets.encoder(spec, 2 * spec.z_dim)
    discriminator = nets.discriminator(spec, cfg.nets, ratio=cfg.d_ratio, extra=spec.z_dim)
    optimiser = adam(cfg.beta1, cfg.beta2)

    def logits(psi: Tensor, theta: Tensor, xi: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits of the encoder's and the generator's pairs, each (B,)."""
        mu, log_sigma = encoder.apply(xi, batch["x"]).chunk(2, dim=1)
        z_x = mu + log_sigma.exp() * batch["eps"]
        eps = discriminator.drawn(batch, "drop_real")
        real = discriminator.apply(psi, batch["x"], z_x, *eps)
        x_g = generator.apply(theta, batch["z"])
        eps = discriminator.drawn(batch, "drop_fake")
        return real, discriminator.apply(psi, x_g, batch["z"], *eps)

    def loss_psi(psi, theta, xi, batch):
        return losses.gan_psi(*logits(psi, theta, xi, batch))

    def loss_theta_xi(theta, xi, psi, batch):
        real, fake = logits(psi, theta, xi, batch)
        return losses.gan_psi(fake, real)

    @spec.jit
    def update(state: State, batch: Batch) -> tuple[State, Logs]:
        theta, xi, psi = state["theta"], state["xi"], state["psi"]
        grad_psi, value_psi = grad_and_value(loss_psi)(psi, theta, xi, batch)
        (grad_theta, grad_xi), value = grad_and_value(loss_theta_xi, argnums=(0, 1))(
            theta, xi, psi, batch
        )
        theta, opt_theta = optimiser.update(theta, state["opt_theta"], grad_theta, cfg.eta_theta)
        xi, opt_xi = optimiser.update(xi, state["opt_xi"], grad_xi, cfg.eta_xi)
        psi, opt_psi = optimiser.update(psi, state["opt_psi"], grad_psi, cfg.eta_psi)
        params = {"theta": theta, "xi": xi, "psi": psi}
        state = params | {"opt_theta": opt_theta, "opt_xi": opt_xi, "opt_psi": opt_psi}
        return state, {"loss_theta": value, "loss_psi": value_psi}

    def init(seed: int) -> State:
        players = {"theta": generator, "xi": encoder, "psi": discriminator}
        return init_players(seed, {name: (net.init, optimiser) for name, net in players.items()})

    def sample(state: State, z: Tensor) -> Tensor:
        return generator.apply(state["theta"], z)

    noise = {"z": (spec.batch, spec.z_dim), "eps": (spec.batch, spec.z_dim)}
    noise |= discriminator.draws(spec.batch, "drop_real", "drop_fake")
    return Method(init, update, sample, ("x",), noise)
