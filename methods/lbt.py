"""Learning by Teaching (LBT): a generator trained so that an estimator taught by it fits the data.

Paper: Learning Implicit Generative Models by Teaching Explicit Ones, Eq. 1 and Algorithm 1.

    max_theta  E_p[log p_E(x; phi*(theta))]
    phi*(theta) = argmax_phi E_z[log p_E(G(z; theta); phi)]

One iteration: M estimator updates on generated samples, which are kept; K more, which are unrolled
and thrown away; one generator update with the gradient of E_p[log p_E(x; phi^K)] through all K
(``methods/unroll.py``), or with Eq. 4's at the kept phi (``methods/implicit.py``) where
``hypergradient`` says so. Letters as in the paper; log p_E is the chosen estimator's
(``methods.estimators``): exact, or a lower bound as for the paper's VAE.

Departures, towards the authors' code but for M (REFERENCE_FACTS sections 1.1 and 2):

- Two estimator step sizes: the kept updates use three times the unrolled one. Algorithm 1 shows a
  single eta_phi.
- Adam with beta1 = 0.5 throughout; epsilon inside the square root for the estimator; v held
  constant while unrolling (``detach_v=False`` gives the exact hypergradient).
- The generator's gradient is clipped at global norm 5.
- The fixed variance of p(x|z), 0.001, is ten times that of a grid component (trap T3): at a
  Spec.scale of 1 this estimator cannot be as narrow as the grid. Kept as released; ``variance``
  changes it.
- M = 15 as in the text, where the released ring command has 10 (trap T2).
- The authors count M in blocks of K; here M is any number of steps, the same thing at M = 15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from methods import estimators, implicit, kernels, nets
from methods.base import Batch, Logs, Method, NetworkConfig, Probe, Spec, State
from methods.estimators import EstimatorConfig
from methods.optim import Opt, Optimiser, adam, init_players
from methods.unroll import inner_problem, unroll


class LBTConfig(EstimatorConfig, NetworkConfig):
    """Settings of LBT; defaults are the recommended column of REFERENCE_FACTS section 1.1."""

    K: int = Field(5, ge=1)  # unrolled steps; paper section 5
    M: int = Field(15, ge=0)  # kept estimator updates per generator update; paper section 5
    eta_theta: float = Field(1e-3, gt=0)  # authors' code
    eta_phi: float = Field(1e-4, gt=0)  # unrolled steps; authors' code
    eta_phi_inner: float = Field(3e-4, gt=0)  # kept steps; authors' code
    beta1: float = Field(0.5, ge=0, lt=1)  # of G's (and D's) Adam; authors' code
    beta2: float = Field(0.999, ge=0, lt=1)
    beta1_phi: float = Field(0.5, ge=0, lt=1)  # of the estimator's Adam; authors' code
    beta2_phi: float = Field(0.999, ge=0, lt=1)
    eps_root: float = Field(1e-8, gt=0)  # inside the root, estimator only; authors' code
    detach_v: bool = True  # authors' code
    hypergradient: Literal["unrolled", "implicit"] = "unrolled"  # paper: Eq. 5, against Eq. 4
    cg_steps: int = Field(10, ge=1)  # Hessian-vector products of the implicit one; ours
    # Added to its Hessian; ours: on the ring after 150 updates that has eigenvalues -78 to 7,600.
    damping: float = Field(100.0, ge=0)
    clip_norm: float = Field(5.0, ge=0)  # of the generator's gradient; 0 is off; authors' code


class Student(NamedTuple):
    """The estimator and what the generator needs of it.

    players: phi's initialiser and optimiser, for ``optim.init_players``.
    learn: (theta, phi, opt_phi, batch) -> (phi, opt_phi): the M kept updates.
    teach: (theta, phi, opt_phi, batch) -> (grad_theta, loss): gradient and value of
        -E_p[log p_E(x; phi^K)], nats per point, through the K unrolled updates; the implicit one
        at phi itself.
    noise: name -> shape of the draws one iteration needs, in addition to the data batch "x".
    also: the estimator's own samples, for ``Method.also``, where Z suffices to draw them.
    probe: Eq. 1 at the kept phi (after M updates, before any unrolled one), for ``Method.probe``.
    native: whether kernels do part of it, for ``Method.native``.
    """

    players: dict[str, tuple[Callable[[torch.Generator], Tensor], Optimiser]]
    learn: Callable[[Tensor, Tensor, Opt, Batch], tuple[Tensor, Opt]]
    teach: Callable[[Tensor, Tensor, Opt, Batch], tuple[Tensor, Tensor]]
    noise: dict[str, tuple[int, ...]]
    also: dict[str, Callable[[State, Tensor], Tensor]]
    probe: Probe
    native: bool


def student(spec: Spec, cfg: LBTConfig) -> Student:
    """LBT's inner and outer problem in the estimator, shared with LBT-GAN."""
    estimator = estimators.build(spec, cfg)
    generator = nets.generator(spec, cfg.nets)
    optimiser = adam(cfg.beta1_phi, cfg.beta2_phi, 0.0, cfg.eps_root, detach_v=cfg.detach_v)

    def loss(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        return -estimator.log_prob(phi, x, eps).mean()

    inner = inner_problem(loss, optimiser, spec.jit, estimator.kernel)
    curvature = implicit.curvature(loss, spec.jit)
    generate = generator.forward(spec.jit)
    teaching = generator.differentiable(spec.jit)

    def learn(theta: Tensor, phi: Tensor, opt: Opt, batch: Batch) -> tuple[Tensor, Opt]:
        # The generator is fixed while the estimator learns: all M batches at once.
        xs = generator.each(generate, theta, batch["z_inner"])
        eta = phi.new_full((), cfg.eta_phi_inner)
        return inner.steps(phi, opt, xs, batch["eps_inner"], eta)

    def teach(theta: Tensor, phi: Tensor, opt: Opt, batch: Batch) -> tuple[Tensor, Tensor]:
        x_g, pull_theta = teaching(theta, batch["z_unroll"])
        if cfg.hypergradient == "implicit":
            # The Hessian of one batch, for its price; the cross derivative of all K.
            eps = batch["eps_unroll"]
            v, value = inner.gradient(phi, batch["x"], batch["eps_x"])
            w = implicit.solve(curvature, phi, v, x_g[0], eps[0], cfg.cg_steps, cfg.damping)
            h_x = -curvature.cross(phi, w, x_g.flatten(0, 1), eps.flatten(0, 1))
            return pull_theta(h_x.view_as(x_g)), value
        eta = phi.new_full((), cfg.eta_phi)
        phi_K, pull = unroll(inner, phi, opt, x_g.unbind(), batch["eps_unroll"].unbind(), eta)
        lam_phi, value = inner.gradient(phi_K, batch["x"], batch["eps_x"])
        return pull_theta(torch.stack(pull(lam_phi))), value

    noise = {
        "z_inner": (cfg.M, spec.batch, spec.z_dim),
        "eps_inner": (cfg.M, spec.batch, *estimator.noise),
        "z_unroll": (cfg.K, spec.batch, spec.z_dim),
        "eps_unroll": (cfg.K, spec.batch, *estimator.noise),
        "eps_x": (spec.batch, *estimator.noise),
    }
    also = {}
    if spec.z_dim >= estimator.sample_dim:
        also["estimator"] = lambda state, z: estimator.sample(state["phi"], z)
    players = {"phi": (estimator.init, optimiser)}
    probe = estimators.probe(spec, estimator)
    return Student(players, learn, teach, noise, also, probe, inner.native)


def build(spec: Spec, cfg: LBTConfig) -> Method:
    """Algorithm 1."""
    generator = nets.generator(spec, cfg.nets)
    learner = student(spec, cfg)
    optimiser = adam(cfg.beta1, cfg.beta2)
    descend = kernels.descent(spec, optimiser, cfg.clip_norm)

    def init(seed: int) -> State:
        return init_players(seed, {"theta": (generator.init, optimiser)} | learner.players)

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        theta = state["theta"]
        phi, opt_phi = learner.learn(theta, state["phi"], state["opt_phi"], batch)
        grad_theta, loss = learner.teach(theta, phi, opt_phi, batch)
        theta, opt_theta = descend(theta, state["opt_theta"], grad_theta, cfg.eta_theta)
        state = {"theta": theta, "phi": phi, "opt_theta": opt_theta, "opt_phi": opt_phi}
        return state, {"loss_theta": loss}

    def sample(state: State, z: Tensor) -> Tensor:
        return generator.apply(state["theta"], z)

    return Method(
        init,
        step,
        sample,
        ("x",),
        learner.noise,
        also=learner.also,
        probe=learner.probe,
        native=learner.native,
    )
