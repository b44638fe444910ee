"""Learning by Teaching (LBT): a generator trained so that an estimator taught by it fits the data.

Paper: Learning Implicit Generative Models by Teaching Explicit Ones, Eq. 1 and Algorithm 1.

    max_theta  E_p[log p_E(x; phi*(theta))]
    phi*(theta) = argmax_phi E_z[log p_E(G(z; theta); phi)]

One iteration: M estimator updates on generated samples, which are kept; K more, which are unrolled
and thrown away; one generator update with the gradient of E_p[log p_E(x; phi^K)] through all K
(``methods/unroll.py``), or with Eq. 4's at the kept phi (``methods/implicit.py``) where
``hypergradient`` says so. Letters as in the paper; log p_E is the chosen estimator's
(``methods.estimators``): exact, or a lower bound as for the paper's VAE.

An estimator in closed form (``em``, ``kde``) is refitted instead of stepped: no step size, no Adam.
Its K refits are no look ahead of what training would do but training itself, so they are kept, and
M = 0, K = 1 teaches by every sample once.

Departures, towards the authors' code but for M:

- Two estimator step sizes: the kept updates use three times the unrolled one. Algorithm 1 shows a
  single eta_phi.
- Adam with beta1 = 0.5 throughout; epsilon inside the square root for the estimator; v held
  constant while unrolling (``detach_v=False`` gives the exact hypergradient).
- The generator's gradient is clipped at global norm 5.
- The fixed variance of p(x|z), 0.001, is ten times that of a grid component: at a
  Spec.scale of 1 this estimator cannot be as narrow as the grid. Kept as released; ``variance``
  changes it.
- M = 15 as in the text, where the released ring command has 10.
- The authors count M in blocks of K; here M is any number of steps, the same thing at M = 15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.func import grad_and_value

from methods import estimators, implicit, kernels, nets
from methods.base import Batch, Logs, Method, NetworkConfig, Probe, Spec, State, seeded
from methods.estimators import Estimator, EstimatorConfig
from methods.optim import adam, init_players
from methods.unroll import inner_problem, unroll


class LBTConfig(EstimatorConfig, NetworkConfig):
    """Settings of LBT; defaults are the authors' ring code, but for M."""

    K: int = Field(5, ge=1)  # unrolled steps; paper section 5
    M: int = Field(15, ge=0)  # kept estimator updates per generator update; paper section 5
    eta_theta: float = Field(1e-3, gt=0)  # authors' code
    eta_phi: float = Field(1e-4, gt=0)  # of the unrolled updates; authors' code
    eta_phi_inner: float = Field(3e-4, gt=0)  # step size of the kept updates; authors' code
    beta1: float = Field(0.5, ge=0, lt=1)  # of G's (and D's) Adam; authors' code
    beta2: float = Field(0.999, ge=0, lt=1)
    beta1_phi: float = Field(0.5, ge=0, lt=1)  # beta1 of the estimator's Adam; authors' code
    beta2_phi: float = Field(0.999, ge=0, lt=1)  # beta2 of the estimator's Adam
    eps_root: float = Field(1e-8, gt=0)  # estimator only; authors' code
    detach_v: bool = True  # hold Adam's v constant while unrolling; authors' code
    hypergradient: Literal["unrolled", "implicit"] = "unrolled"  # Eq. 5, paper; or Eq. 4
    cg_steps: int = Field(10, ge=1)  # Hessian-vector products of the implicit one; ours
    # added to its Hessian; ours: on the ring after 150 updates that has eigenvalues -78 to 7,600.
    damping: float = Field(100.0, ge=0)
    clip_norm: float = Field(5.0, ge=0)  # largest norm of G's gradient; 0: any; authors' code


class Student(NamedTuple):
    """The estimator and what the generator needs of it. ``part`` stands for its part of the state:
    phi, and opt_phi where gradient steps fit it.

    init: seed -> part.
    learn: (theta, part, batch) -> part: the M kept updates.
    teach: (theta, part, batch) -> (grad_theta, loss, part): gradient and value of
        -E_p[log p_E(x; phi^K)], nats per point, through the K unrolled updates; the implicit one
        at phi itself. And the part to go on with.
    noise: name -> shape of the draws one iteration needs, in addition to the data batch "x".
    also: the estimator's own samples, for ``Method.also``, where Z suffices to draw them.
    probe: Eq. 1 at the kept phi (after M updates, before any unrolled one), for ``Method.probe``.
    native: whether kernels do part of it, for ``Method.native``.
    """

    init: Callable[[int], State]
    learn: Callable[[Tensor, State, Batch], State]
    teach: Callable[[Tensor, State, Batch], tuple[Tensor, Tensor, State]]
    noise: dict[str, tuple[int, ...]]
    also: dict[str, Callable[[State, Tensor], Tensor]]
    probe: Probe
    native: bool


def pupil(state: State) -> State:
    """The student's part of a state."""
    return {name: state[name] for name in ("phi", "opt_phi") if name in state}


def student(spec: Spec, cfg: LBTConfig) -> Student:
    """LBT's inner and outer problem in the estimator, shared with LBT-GAN. Raises ValueError for an
    implicit hypergradient of an estimator in closed form.
    """
    estimator = estimators.build(spec, cfg)
    generator = nets.generator(spec, cfg.nets)
    parts = _trained if estimator.refit is None else _refitted
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
    probe = estimators.probe(spec, estimator)
    init, learn, teach, native = parts(spec, cfg, estimator, generator)
    return Student(init, learn, teach, noise, also, probe, native)


def _trained(
    spec: Spec, cfg: LBTConfig, estimator: Estimator, generator: nets.Net
) -> tuple[Callable, Callable, Callable, bool]:
    """init, learn and teach of a student that Adam fits, and whether natively."""
    optimiser = adam(cfg.beta1_phi, cfg.beta2_phi, 0.0, cfg.eps_root, detach_v=cfg.detach_v)

    def loss(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        return -estimator.log_prob(phi, x, eps).mean()

    inner = inner_problem(loss, optimiser, spec.jit, estimator.kernel)
    curvature = implicit.curvature(loss, spec.jit)
    generate = generator.forward(spec.jit)
    teaching = generator.differentiable(spec.jit)

    def init(seed: int) -> State:
        return init_players(seed, {"phi": (estimator.init, optimiser)})

    def learn(theta: Tensor, part: State, batch: Batch) -> State:
        # The generator is fixed while the estimator learns: all M batches at once.
        xs = generator.each(generate, theta, batch["z_inner"])
        phi, opt = part["phi"], part["opt_phi"]
        eta = phi.new_full((), cfg.eta_phi_inner)
        phi, opt = inner.steps(phi, opt, xs, batch["eps_inner"], eta)
        return {"phi": phi, "opt_phi": opt}

    def teach(theta: Tensor, part: State, batch: Batch) -> tuple[Tensor, Tensor, State]:
        phi, opt = part["phi"], part["opt_phi"]
        x_g, pull_theta = teaching(theta, batch["z_unroll"])
        if cfg.hypergradient == "implicit":
            # The Hessian of one batch, for its price; the cross derivative of all K.
            eps = batch["eps_unroll"]
            v, value = inner.gradient(phi, batch["x"], batch["eps_x"])
            w = implicit.solve(curvature, phi, v, x_g[0], eps[0], cfg.cg_steps, cfg.damping)
            h_x = -curvature.cross(phi, w, x_g.flatten(0, 1), eps.flatten(0, 1))
            return pull_theta(h_x.view_as(x_g)), value, part
        eta = phi.new_full((), cfg.eta_phi)
        phi_K, pull = unroll(inner, phi, opt, x_g.unbind(), batch["eps_unroll"].unbind(), eta)
        lam_phi, value = inner.gradient(phi_K, batch["x"], batch["eps_x"])
        return pull_theta(torch.stack(pull(lam_phi))), value, part

    return init, learn, teach, inner.native


def _refitted(
    spec: Spec, cfg: LBTConfig, estimator: Estimator, generator: nets.Net
) -> tuple[Callable, Callable, Callable, bool]:
    """init, learn and teach of a student in closed form, and whether natively."""
    if cfg.hypergradient == "implicit":
        raise ValueError(f"estimator={cfg.estimator} has no Hessian: use hypergradient=unrolled")

    def outer(xs: Tensor, phi: Tensor, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        """Loss after a refit to each of the batches xs (K, B, ...), and phi^K."""
        for x_g in xs.unbind():
            phi = estimator.refit(phi, x_g)
        return -estimator.log_prob(phi, x, eps).mean(), phi

    taught = spec.jit(grad_and_value(outer, has_aux=True))
    refit = spec.jit(estimator.refit)
    generate = generator.forward(spec.jit)
    teaching = generator.differentiable(spec.jit)

    def init(seed: int) -> State:
        return {"phi": estimator.init(seeded(seed, "phi"))}

    def learn(theta: Tensor, part: State, batch: Batch) -> State:
        phi = part["phi"]
        for z in batch["z_inner"].unbind():
            phi = refit(phi, generate(theta, z))
        return {"phi": phi}

    def teach(theta: Tensor, part: State, batch: Batch) -> tuple[Tensor, Tensor, State]:
        x_g, pull_theta = teaching(theta, batch["z_unroll"])
        h_x, (value, phi) = taught(x_g, part["phi"], batch["x"], batch["eps_x"])
        return pull_theta(h_x), value, {"phi": phi}

    return init, learn, teach, False


def build(spec: Spec, cfg: LBTConfig) -> Method:
    """Algorithm 1."""
    generator = nets.generator(spec, cfg.nets)
    learner = student(spec, cfg)
    optimiser = adam(cfg.beta1, cfg.beta2)
    descend = kernels.descent(spec, optimiser, cfg.clip_norm)

    def init(seed: int) -> State:
        return init_players(seed, {"theta": (generator.init, optimiser)}) | learner.init(seed)

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        theta = state["theta"]
        taught = learner.learn(theta, pupil(state), batch)
        grad_theta, loss, taught = learner.teach(theta, taught, batch)
        theta, opt_theta = descend(theta, state["opt_theta"], grad_theta, cfg.eta_theta)
        return {"theta": theta, "opt_theta": opt_theta} | taught, {"loss_theta": loss}

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
