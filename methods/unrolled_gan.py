"""Unrolled GAN (Metz et al. 2016): the generator descends V against a discriminator K steps ahead.

    V(theta, psi) = E log sigmoid(D(x; psi)) + E log(1 - sigmoid(D(G(z; theta); psi)))
    psi^{k+1}     = psi^k + Adam ascent step on V(theta, .)       (their Eq. 7)
    theta         <- theta - Adam step on d/dtheta V(theta, psi^K(theta, psi^0))   (their Eq. 9)

then psi takes one real step. The gradient flows through all K steps, Adam's moments included, by
the same adjoint as LBT's (``methods/unroll.py``). As in the authors' notebook the same data and
noise serve every unrolled step, G and D move at once, and G's loss is the full minimax value, real
term included (it depends on theta through psi^K). The masks of D's dropout, on photographs, are
part of that noise.

Departures: networks and Glorot initialisation of the other methods here; 1e-16 under Adam's square
root, whose slope at zero is infinite.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field
from torch import Tensor
from torch.func import grad_and_value

from methods import kernels, losses, nets
from methods.base import Batch, Logs, Method, Spec, State
from methods.gan import AdversarialConfig
from methods.optim import adam, init_players
from methods.unroll import inner_problem, unroll

Given = tuple[list[Tensor], list[Tensor]]


class UnrolledGANConfig(AdversarialConfig):
    """Settings of Unrolled GAN."""

    K: int = Field(5, ge=1)  # unrolled steps; authors' notebook, 2D
    eps_root: float = Field(1e-16, gt=0)  # see Departures
    # hold Adam's v constant; authors' notebook differentiates the second moment
    detach_v: bool = False


def build(spec: Spec, cfg: UnrolledGANConfig) -> Method:
    """Unrolled GAN with K discriminator steps."""
    generator = nets.generator(spec, cfg.nets)
    discriminator = nets.discriminator(spec, cfg.nets, ratio=cfg.d_ratio)
    adam_theta = adam(cfg.beta1, cfg.beta2)
    adam_psi = adam(cfg.beta1, cfg.beta2, eps_root=cfg.eps_root, detach_v=cfg.detach_v)

    def negative_value(psi: Tensor, x_g: Tensor, given: Given) -> Tensor:
        """-V: what D minimises. given: arguments of D on data, and those it takes beside x_g."""
        real, eps = given
        return losses.gan_psi(discriminator.apply(psi, *real), discriminator.apply(psi, x_g, *eps))

    descend = kernels.descent(spec, adam_theta)
    kernel = discriminator.judging
    inner = inner_problem(negative_value, adam_psi, spec.jit, kernel)
    kernel = kernel if inner.native else None
    outer = spec.jit(grad_and_value(negative_value, argnums=(0, 1)))
    outer = kernels.either(kernel and kernel.gradients, outer)

    def generate(theta: Tensor, z: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        return nets.recorded(lambda p: generator.apply(p, z), theta)

    generate = kernels.either(generator.kernel and generator.kernel.differentiable, generate)

    def init(seed: int) -> State:
        return init_players(
            seed, {"theta": (generator.init, adam_theta), "psi": (discriminator.init, adam_psi)}
        )

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        theta, psi, opt_psi = state["theta"], state["psi"], state["opt_psi"]
        real = [batch["x"], *discriminator.drawn(batch, "drop_real")]
        given = real, discriminator.drawn(batch, "drop_fake")
        x_g, pull_theta = generate(theta, batch["z"])
        eta = psi.new_full((), cfg.eta_psi)
        psi_K, pull = unroll(inner, psi, opt_psi, [x_g] * cfg.K, [given] * cfg.K, eta)
        (g_psi, g_x), loss_psi = outer(psi_K, x_g, given)
        grad_theta = pull_theta(sum(pull(-g_psi)) - g_x)
        theta, opt_theta = descend(theta, state["opt_theta"], grad_theta, cfg.eta_theta)
        psi, opt_psi, _ = inner.step(psi, opt_psi, x_g, given, eta)
        state = {"theta": theta, "psi": psi, "opt_theta": opt_theta, "opt_psi": opt_psi}
        return state, {"loss_theta": -loss_psi}

    def sample(state: State, z: Tensor) -> Tensor:
        return generator.apply(state["theta"], z)

    noise = {"z": (spec.batch, spec.z_dim)}
    noise |= discriminator.draws(spec.batch, "drop_real", "drop_fake")
    return Method(init, step, sample, ("x",), noise, native=inner.native)
