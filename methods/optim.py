"""First-order optimisers as pure, differentiable functions of flat vectors.

``update(params, opt, grad, eta) -> (params, opt)`` is elementwise, so that unrolling can pull
cotangents back through it with ``torch.func.vjp`` at the cost of a few vector operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from methods.base import State, seeded

Opt = dict[str, Tensor]


class Adam(NamedTuple):
    """The constants of ``adam``."""

    beta1: float
    beta2: float
    eps: float
    eps_root: float
    detach_v: bool


class Optimiser(NamedTuple):
    """init: params (P,) -> opt. update: (params, opt, grad, eta) -> (params, opt); descends.
    adam: its constants, where it is Adam.
    """

    init: Callable[[Tensor], Opt]
    update: Callable[[Tensor, Opt, Tensor, Tensor | float], tuple[Tensor, Opt]]
    adam: Adam | None = None


def sgd() -> Optimiser:
    """params - eta * grad."""
    return Optimiser(lambda params: {}, lambda params, opt, grad, eta: (params - eta * grad, opt))


def adam(
    beta1: float = 0.5,  # authors' code; the paper says "default setting"
    beta2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    detach_v: bool = False,
) -> Optimiser:
    """Adam (Kingma & Ba 2014), bias-corrected.

    params -= eta * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v + eps_root) + eps')

    with eps' = eps * sqrt(1 - beta2^t): exactly ``torch.optim.Adam`` when eps_root is 0. The
    authors' estimator uses eps = 0 and eps_root = 1e-8, on the uncorrected v. A positive eps_root
    is needed to differentiate through v, since sqrt has an infinite slope at 0.

    detach_v: hold v constant under differentiation, as the authors' unrolling does.
    """

    def init(params: Tensor) -> Opt:
        zero = torch.zeros_like(params)
        return {"m": zero, "v": zero.clone(), "t": params.new_zeros(())}

    def update(params: Tensor, opt: Opt, grad: Tensor, eta: Tensor | float) -> tuple[Tensor, Opt]:
        t = opt["t"].detach() + 1
        m = torch.lerp(grad, opt["m"], beta1)
        v = beta2 * opt["v"] + (1 - beta2) * grad.square()
        root = torch.sqrt(1 - beta2**t)
        denominator = (v.detach() if detach_v else v).add(eps_root).sqrt() + eps * root
        rate = eta * root / (1 - beta1**t)
        return params - rate * m / denominator, {"m": m, "v": v, "t": t}

    return Optimiser(init, update, Adam(beta1, beta2, eps, eps_root, detach_v))


def init_players(
    seed: int, players: dict[str, tuple[Callable[[torch.Generator], Tensor], Optimiser]]
) -> State:
    """State of players named after their parameters: name -> (initialiser, optimiser).

    Each player draws from its own stream, so theta starts the same in every method of one seed.
    """
    state: State = {}
    for name, (init, optimiser) in players.items():
        params = init(seeded(seed, name))
        state |= {name: params, f"opt_{name}": optimiser.init(params)}
    return state


def clip_by_norm(grad: Tensor, limit: float) -> Tensor:
    """grad scaled down to Euclidean norm ``limit`` where it is longer; 0 switches it off."""
    if not limit:
        return grad
    return grad * (limit / torch.linalg.vector_norm(grad).clamp(min=limit))
