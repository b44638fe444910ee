"""LBT's explicit estimator, of any kind, trained directly on the data, as a reference.

Shows what the student alone can represent (teacher and student apart). Its settings and Adam are
those of LBT and LBT-GAN, the step size that of their kept estimator updates; by default it is the
paper's VAE (section 5). An estimator in closed form is refitted to the data instead.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor
from torch.func import grad_and_value

from methods import estimators
from methods.base import Batch, Logs, Method, Spec, State, seeded
from methods.estimators import Estimator
from methods.optim import adam, init_players


class DirectConfig(estimators.EstimatorConfig):
    """Settings of the estimator on data (authors' ring code)."""

    eta_phi: float = Field(3e-4, gt=0)  # LBT's kept estimator updates
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    eps_root: float = Field(1e-8, gt=0)


def build(spec: Spec, cfg: DirectConfig) -> Method:
    """Maximises log p_E, or its bound, on the data, one Adam step per iteration."""
    estimator = estimators.build(spec, cfg)
    if spec.z_dim < estimator.sample_dim:
        raise ValueError(f"z_dim must be at least {estimator.sample_dim} to sample from it")
    if estimator.refit is not None:
        return _refitted(spec, estimator)
    optimiser = adam(cfg.beta1, cfg.beta2, 0.0, cfg.eps_root)

    @spec.jit
    def update_phi(phi, opt, x, eps):
        def loss_phi(phi: Tensor) -> Tensor:
            return -estimator.log_prob(phi, x, eps).mean()

        grad, value = grad_and_value(loss_phi)(phi)
        return *optimiser.update(phi, opt, grad, cfg.eta_phi), value

    def init(seed: int) -> State:
        return init_players(seed, {"phi": (estimator.init, optimiser)})

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        phi, opt_phi, loss = update_phi(state["phi"], state["opt_phi"], batch["x"], batch["eps"])
        return {"phi": phi, "opt_phi": opt_phi}, {"loss_phi": loss}

    def sample(state: State, z: Tensor) -> Tensor:
        return estimator.sample(state["phi"], z)

    noise = {"eps": (spec.batch, *estimator.noise)}
    return Method(init, step, sample, ("x",), noise, probe=estimators.probe(spec, estimator))


def _refitted(spec: Spec, estimator: Estimator) -> Method:
    """One refit per iteration."""

    @spec.jit
    def refit(phi: Tensor, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        return estimator.refit(phi, x), -estimator.log_prob(phi, x, eps).mean()

    def init(seed: int) -> State:
        return {"phi": estimator.init(seeded(seed, "phi"))}

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        phi, loss = refit(state["phi"], batch["x"], batch["eps"])
        return {"phi": phi}, {"loss_phi": loss}

    def sample(state: State, z: Tensor) -> Tensor:
        return estimator.sample(state["phi"], z)

    noise = {"eps": (spec.batch, *estimator.noise)}
    return Method(init, step, sample, ("x",), noise, probe=estimators.probe(spec, estimator))
