"""LBT in JAX with optax: the whole iteration jitted, both loops lax.scan, seeds by vmap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmark.tools.bench import cases
from benchmark.tools.bench.peers.stepper import (
    BETAS,
    CLIP,
    ETA_INNER,
    ETA_PHI,
    ETA_THETA,
    LATENT,
    VARIANCE,
    Stepper,
)
from methods import nets
from methods.base import State

SIZES = {  # generator, encoder, decoder
    "g": (256, *nets.HIDDEN, 2),
    "e": (2, *nets.HIDDEN, 2 * LATENT),
    "d": (LATENT, *nets.HIDDEN, 2),
}
SCALE = optax.scale_by_adam(*BETAS, eps=0.0, eps_root=1e-24)
ADAM = optax.adam(ETA_THETA, *BETAS)


def split(flat: np.ndarray, names: str) -> dict[str, list[tuple]]:
    """Our flat layout as (weight, bias) of each layer of the named networks."""
    out, at = {}, 0
    for name in names:
        layers = []
        for i, o in zip(SIZES[name], SIZES[name][1:], strict=False):
            weight = flat[at : at + i * o].reshape(o, i)
            layers.append((jnp.asarray(weight), jnp.asarray(flat[at + i * o : at + i * o + o])))
            at += i * o + o
        out[name] = layers
    return out


def joined(tree: dict[str, list[tuple]], names: str, seeds: int) -> np.ndarray:
    """The inverse of ``split``, (S, P), of networks with or without a leading axis of seeds."""
    pairs = [pair for name in names for pair in tree[name]]
    leaves = [np.asarray(t).reshape(seeds, -1) for pair in pairs for t in pair]
    return np.concatenate(leaves, axis=1)


def net(layers, x):
    for weight, bias in layers[:-1]:
        x = jnp.tanh(x @ weight.T + bias)
    weight, bias = layers[-1]
    return x @ weight.T + bias


def loss(phi, x, eps):
    """The negative ELBO."""
    mu, log_var = jnp.split(net(phi["e"], x), 2, -1)
    mean = net(phi["d"], mu + jnp.exp(log_var / 2) * eps)
    log_lik = -((x - mean) ** 2).sum(-1) / (2 * VARIANCE) - np.log(2 * np.pi * VARIANCE)
    kl = (mu**2 + jnp.exp(log_var) - 1 - log_var).sum(-1) / 2
    return (kl - log_lik).mean()


def inner(eta: float) -> Callable:
    """One update of phi at step size ``eta``, as the body of a scan."""

    def body(carry, xs):
        phi, opt = carry
        updates, opt = SCALE.update(jax.grad(loss)(phi, *xs), opt)
        return (jax.tree.map(lambda p, u: p - eta * u, phi, updates), opt), None

    return body


def iteration(state, batch):
    """M updates of phi that are kept, then one of theta through K that are not."""
    theta, phi, opt_theta, opt_phi = state
    x_g = net(theta["g"], batch["z_inner"])
    (phi, opt_phi), _ = jax.lax.scan(inner(ETA_INNER), (phi, opt_phi), (x_g, batch["eps_inner"]))

    def outer(theta):
        x_g = net(theta["g"], batch["z_unroll"])
        (phi_K, _), _ = jax.lax.scan(inner(ETA_PHI), (phi, opt_phi), (x_g, batch["eps_unroll"]))
        return loss(phi_K, batch["x"], batch["eps_x"])

    grads = jax.grad(outer)(theta)
    norm = optax.global_norm(grads)
    grads = jax.tree.map(lambda g: g * (CLIP / jnp.maximum(norm, CLIP)), grads)
    updates, opt_theta = ADAM.update(grads, opt_theta)
    return optax.apply_updates(theta, updates), phi, opt_theta, opt_phi


def begin(state: State) -> tuple:
    """What ``iteration`` carries, of one seed, in the case's state."""
    theta, phi = split(state["theta"].numpy(), "g"), split(state["phi"].numpy(), "ed")
    return theta, phi, ADAM.init(theta), SCALE.init(phi)


def together(trees: list) -> Any:
    """Trees of one shape as one, with a leading axis of seeds."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def peer(case: cases.Case, device: str) -> tuple[Stepper, list]:
    """device: as in $JAX_PLATFORMS, by which JAX has chosen it already."""
    states, batches = cases.start(case)
    full = together([begin(state) for state in states])
    arrays = [
        together([{k: jnp.asarray(v.numpy()) for k, v in b.items()} for b in step_batches])
        for step_batches in batches
    ]
    if case.seeds == 1:  # no axis at all, which is the faster way
        full, arrays = (jax.tree.map(lambda leaf: leaf[0], tree) for tree in (full, arrays))
    jitted = jax.jit(iteration if case.seeds == 1 else jax.vmap(iteration))

    def params(state):
        return joined(state[0], "g", case.seeds), joined(state[1], "ed", case.seeds)

    return Stepper(lambda s, b: jax.block_until_ready(jitted(s, b)), full, params), arrays
