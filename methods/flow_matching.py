"""Flow matching (Lipman et al. 2023): a velocity that carries noise to data. No other player.

    x_t = (1 - t) x_0 + t x_1,  x_0 ~ N(0, I),  x_1 data,  t uniform in [0, 1]
    loss_theta = E |v(x_t, t; theta) - (x_1 - x_0)|^2 / D
    sample: dx/dt = v(x, t; theta) from x_0 at t = 0 to t = 1

the linear path with sigma_min = 0, pairs drawn independently (also Liu et al. 2023, Albergo &
Vanden-Eijnden 2023). v is an MLP with two hidden layers like G's of the other methods, widened to
G's number of parameters, since it takes x and t where G takes Z numbers. The sampler makes
``steps`` midpoint steps, so that one sample costs 2 * steps passes of v (``Method.passes``) where
the others take one of G. x_0 are the first D of G's Z normals.

Departures: tanh like every 2D network here, where official notebooks have SELU or Swish, and G's
size (theirs in 2D: four layers of 512). There is no convolutional v here: images are vectors of
pixels in [-1, 1] to an MLP with ReLU, whose samples are cut off at [0, 1]; having more pixels than
Z, they start from repeated normals, in training too.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor
from torch.func import grad_and_value

from methods import nets
from methods.base import Batch, Logs, Method, NetworkConfig, Spec, State
from methods.optim import adam, init_players


class FlowMatchingConfig(NetworkConfig):
    """Settings of flow matching."""

    eta_theta: float = Field(1e-3, gt=0)  # both official 2D notebooks
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    steps: int = Field(20, ge=1)  # steps of the sampler; official notebook: midpoint, steps of 0.05


def velocity(spec: Spec, size: int) -> nets.Net:
    """v(x, t): (B, D + 1) -> (B, D), with two hidden layers and about ``size`` parameters."""
    features = math.prod(spec.x_shape)
    # w (D + 2) + w (w + 1) + (w + 1) D = size
    linear = 2 * features + 3
    width = (math.sqrt(linear**2 + 4 * (size - features)) - linear) / 2 if size > features else 0
    width = max(1, round(width))
    activation = torch.relu if len(spec.x_shape) > 1 else nets.tanh
    return nets.mlp((features + 1, width, width, features), activation)


def build(spec: Spec, cfg: FlowMatchingConfig) -> Method:
    """One Adam step of v per iteration."""
    features = math.prod(spec.x_shape)
    normals = min(features, spec.z_dim)
    net = velocity(spec, nets.generator(spec, cfg.nets).size)
    image = len(spec.x_shape) > 1
    optimiser = adam(cfg.beta1, cfg.beta2)

    def v(theta: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return net.apply(theta, torch.cat([x, t.expand(len(x), 1)], 1))

    def start(z: Tensor) -> Tensor:
        """x_0 (B, D)."""
        return z[:, :normals].repeat(1, -(-features // normals))[:, :features]

    @spec.jit
    def update(theta, opt, x, x_0, t):
        x_0, x_1 = start(x_0), 2 * x.flatten(1) - 1 if image else x
        t = torch.special.ndtr(t)

        def loss_theta(theta):
            error = v(theta, torch.lerp(x_0, x_1, t), t) - (x_1 - x_0)
            return error.square().mean()

        grad, value = grad_and_value(loss_theta)(theta)
        return *optimiser.update(theta, opt, grad, cfg.eta_theta), value

    def init(seed: int) -> State:
        return init_players(seed, {"theta": (net.init, optimiser)})

    def step(state: State, batch: Batch) -> tuple[State, Logs]:
        given = (batch[name] for name in ("x", "x_0", "t"))
        theta, opt_theta, loss = update(state["theta"], state["opt_theta"], *given)
        return {"theta": theta, "opt_theta": opt_theta}, {"loss_theta": loss}

    def sample(state: State, z: Tensor) -> Tensor:
        theta, x, length = state["theta"], start(z), 1 / cfg.steps
        for i in range(cfg.steps):
            t = x.new_full((), i * length)
            half = x + length / 2 * v(theta, x, t)
            x = x + length * v(theta, half, t + length / 2)
        x = x.view(-1, *spec.x_shape)
        return ((x + 1) / 2).clamp(0, 1) if image else x

    noise = {"x_0": (spec.batch, normals), "t": (spec.batch, 1)}
    return Method(init, step, sample, ("x",), noise, passes=2 * cfg.steps)
