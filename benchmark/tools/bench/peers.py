"""LBT's iteration written the way each peer would write it, in the same mathematics.

A peer is ``make(case) -> step``: a function of a batch that advances its own state, with
``step.params()`` giving (theta, phi) as flat arrays in our layout. ``ours`` takes any method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.tools.bench import cases
from benchmark.training.compile import Jit
from benchmark.training.engine import Engine
from benchmark.training.lane import to_device
from methods import nets
from methods.lbt import LBTConfig

LATENT, VARIANCE = LBTConfig().latent, LBTConfig().variance
K, M = LBTConfig().K, LBTConfig().M
ETA_THETA, ETA_PHI, ETA_INNER = 1e-3, 1e-4, 3e-4
BETAS, CLIP = (0.5, 0.999), 5.0


class Stepper:
    """A step with state; ``params`` gives (theta, phi) as flat numpy arrays."""

    def __init__(self, step: Callable, state: Any, params: Callable) -> None:
        self._step, self._state, self._params = step, state, params

    def __call__(self, batch: Any) -> None:
        self._state = self._step(self._state, batch)

    def params(self) -> tuple[np.ndarray, np.ndarray]:
        return self._params(self._state)


def ours(case: cases.Case, device: str, compiled: bool = True) -> tuple[Stepper, list]:
    """The product's own step, through its engine."""
    torch.set_grad_enabled(False)
    method, _ = cases.build(case, Jit(compiled, stacked=case.seeds > 1))
    states, batches = cases.start(case)
    done = method.warm_up.steps if method.warm_up else 0  # what is timed comes after it
    engine = Engine(method, [to_device(state, device) for state in states], device, done)
    batches = [[to_device(batch, device) for batch in step] for step in batches]

    def params(_):
        final = [engine.state(i) for i in range(case.seeds)]
        return tuple(
            torch.stack([s[k] for s in final]).cpu().numpy()
            for k in ("theta", "phi")
            if k in final[0]
        )

    def step(_, batch):
        engine.advance(batch)

    return Stepper(step, None, params), batches


def _modules() -> tuple[torch.nn.Module, torch.nn.Module, torch.nn.Module]:
    """Generator, encoder and decoder as ordinary torch modules."""

    def mlp(*sizes):
        layers = []
        for i, o in zip(sizes, sizes[1:], strict=False):
            layers += [torch.nn.Linear(i, o), torch.nn.Tanh()]
        return torch.nn.Sequential(*layers[:-1])

    return (
        mlp(256, *nets.HIDDEN, 2),
        mlp(2, *nets.HIDDEN, 2 * LATENT),
        mlp(LATENT, *nets.HIDDEN, 2),
    )


def _start(case: cases.Case, device: str):
    """Generator, VAE (encoder, decoder) and G's optimiser as torch modules, in the case's state."""
    torch.set_grad_enabled(True)
    generator, encoder, decoder = _modules()
    vae = torch.nn.ModuleList([encoder, decoder])
    (state,), steps = cases.start(case)
    batches = [to_device(batch, device) for (batch,) in steps]
    for module, name in ((generator, "theta"), (vae, "phi")):
        parameters = list(module.parameters())
        values = nets.unflatten(state[name], [p.shape for p in parameters])
        for p, value in zip(parameters, values, strict=True):
            p.data.copy_(value)
        module.to(device)
    return generator, vae, torch.optim.Adam(generator.parameters(), ETA_THETA, BETAS), batches


def _negative_elbo(mu: Tensor, log_var: Tensor, mean: Tensor, x: Tensor) -> Tensor:
    log_lik = -(x - mean).square().sum(-1) / (2 * VARIANCE) - np.log(2 * np.pi * VARIANCE)
    kl = (mu.square() + log_var.exp() - 1 - log_var).sum(-1) / 2
    return (kl - log_lik).mean()


def eager(case: cases.Case, device: str) -> tuple[Stepper, list]:
    """Plain eager PyTorch: autograd through the unrolled graph, torch.optim for what is kept."""
    from torch.func import functional_call

    generator, vae, opt_theta, batches = _start(case, device)
    encoder, decoder = vae
    opt_phi = torch.optim.Adam(vae.parameters(), ETA_INNER, BETAS, eps=1e-24)
    names = [n for n, _ in vae.named_parameters()]

    def loss(values, x, eps):
        given = dict(zip(names, values, strict=True))
        enc = {n[2:]: v for n, v in given.items() if n.startswith("0.")}
        dec = {n[2:]: v for n, v in given.items() if n.startswith("1.")}
        mu, log_var = functional_call(encoder, enc, (x,)).chunk(2, -1)
        mean = functional_call(decoder, dec, (mu + (log_var / 2).exp() * eps,))
        return _negative_elbo(mu, log_var, mean, x)

    def step(_, batch):
        z_inner, z_unroll = batch["z_inner"].unbind(), batch["z_unroll"].unbind()
        for z, eps in zip(z_inner, batch["eps_inner"], strict=True):
            opt_phi.zero_grad()
            loss(list(vae.parameters()), generator(z).detach(), eps).backward()
            opt_phi.step()
        values = list(vae.parameters())
        ms = [opt_phi.state[p]["exp_avg"] for p in values]
        vs = [opt_phi.state[p]["exp_avg_sq"] for p in values]
        t = int(opt_phi.state[values[0]]["step"])
        for z, eps in zip(z_unroll, batch["eps_unroll"], strict=True):
            t += 1
            grads = torch.autograd.grad(loss(values, generator(z), eps), values, create_graph=True)
            b1, b2 = BETAS
            ms = [b1 * m + (1 - b1) * g for m, g in zip(ms, grads, strict=True)]
            vs = [b2 * v + (1 - b2) * g * g for v, g in zip(vs, grads, strict=True)]
            rate = ETA_PHI * (1 - b2**t) ** 0.5 / (1 - b1**t)
            values = [
                p - rate * m / (v + 1e-24).sqrt() for p, m, v in zip(values, ms, vs, strict=True)
            ]
        opt_theta.zero_grad()
        outer = loss(values, batch["x"], batch["eps_x"])
        grads = torch.autograd.grad(outer, list(generator.parameters()))
        for p, g in zip(generator.parameters(), grads, strict=True):
            p.grad = g
        torch.nn.utils.clip_grad_norm_(generator.parameters(), CLIP)
        opt_theta.step()

    return Stepper(step, None, lambda _: _flat(generator, vae)), batches


def _flat(*modules) -> tuple[np.ndarray, ...]:
    return tuple(
        torch.cat([p.detach().flatten() for p in module.parameters()]).cpu().numpy()[None]
        for module in modules
    )


def torchopt(case: cases.Case, device: str) -> tuple[Stepper, list]:
    """TorchOpt's MetaAdam: differentiable in-place updates of modules, state restored after."""
    import torchopt

    generator, vae, opt_theta, batches = _start(case, device)
    encoder, decoder = vae
    rate = {"now": ETA_INNER}  # its optimiser takes a schedule; ours is set by hand
    meta = torchopt.MetaAdam(
        vae, lr=lambda count: rate["now"], betas=BETAS, eps=0.0, eps_root=1e-24
    )

    def loss(x, eps):
        mu, log_var = encoder(x).chunk(2, -1)
        mean = decoder(mu + (log_var / 2).exp() * eps)
        return _negative_elbo(mu, log_var, mean, x)

    def step(_, batch):
        z_inner, z_unroll = batch["z_inner"].unbind(), batch["z_unroll"].unbind()
        rate["now"] = ETA_INNER
        for z, eps in zip(z_inner, batch["eps_inner"], strict=True):
            with torch.no_grad():
                x = generator(z)
            meta.step(loss(x, eps))
            torchopt.stop_gradient(vae)
            torchopt.stop_gradient(meta)
        kept = torchopt.extract_state_dict(vae), torchopt.extract_state_dict(meta)
        rate["now"] = ETA_PHI
        for z, eps in zip(z_unroll, batch["eps_unroll"], strict=True):
            meta.step(loss(generator(z), eps))
        opt_theta.zero_grad()
        loss(batch["x"], batch["eps_x"]).backward(inputs=list(generator.parameters()))
        torch.nn.utils.clip_grad_norm_(generator.parameters(), CLIP)
        opt_theta.step()
        torchopt.recover_state_dict(vae, kept[0])
        torchopt.recover_state_dict(meta, kept[1])

    return Stepper(step, None, lambda _: _flat(generator, vae)), batches


def jax(case: cases.Case, device: str) -> tuple[Stepper, list]:
    """JAX with optax: the whole iteration jitted, both loops lax.scan, seeds by vmap."""
    import jax
    import jax.numpy as jnp
    import optax

    states, batches = cases.start(case)
    sizes = {
        "g": (256, *nets.HIDDEN, 2),
        "e": (2, *nets.HIDDEN, 2 * LATENT),
        "d": (LATENT, *nets.HIDDEN, 2),
    }

    def split(flat, names):
        out, at = {}, 0
        for name in names:
            layers = []
            for i, o in zip(sizes[name], sizes[name][1:], strict=False):
                weight = flat[at : at + i * o].reshape(o, i)
                layers.append((jnp.asarray(weight), jnp.asarray(flat[at + i * o : at + i * o + o])))
                at += i * o + o
            out[name] = layers
        return out

    def net(layers, x):
        for weight, bias in layers[:-1]:
            x = jnp.tanh(x @ weight.T + bias)
        weight, bias = layers[-1]
        return x @ weight.T + bias

    def loss(phi, x, eps):
        mu, log_var = jnp.split(net(phi["e"], x), 2, -1)
        mean = net(phi["d"], mu + jnp.exp(log_var / 2) * eps)
        log_lik = -((x - mean) ** 2).sum(-1) / (2 * VARIANCE) - np.log(2 * np.pi * VARIANCE)
        kl = (mu**2 + jnp.exp(log_var) - 1 - log_var).sum(-1) / 2
        return (kl - log_lik).mean()

    scale = optax.scale_by_adam(*BETAS, eps=0.0, eps_root=1e-24)
    adam = optax.adam(ETA_THETA, *BETAS)

    def inner(eta):
        def body(carry, xs):
            phi, opt = carry
            updates, opt = scale.update(jax.grad(loss)(phi, *xs), opt)
            return (jax.tree.map(lambda p, u: p - eta * u, phi, updates), opt), None

        return body

    def step(s, batch):
        theta, phi, opt_theta, opt_phi = s
        x_g = net(theta["g"], batch["z_inner"])
        (phi, opt_phi), _ = jax.lax.scan(
            inner(ETA_INNER), (phi, opt_phi), (x_g, batch["eps_inner"])
        )

        def outer(theta):
            x_g = net(theta["g"], batch["z_unroll"])
            (phi_K, _), _ = jax.lax.scan(inner(ETA_PHI), (phi, opt_phi), (x_g, batch["eps_unroll"]))
            return loss(phi_K, batch["x"], batch["eps_x"])

        grads = jax.grad(outer)(theta)
        norm = optax.global_norm(grads)
        grads = jax.tree.map(lambda g: g * (CLIP / jnp.maximum(norm, CLIP)), grads)
        updates, opt_theta = adam.update(grads, opt_theta)
        return optax.apply_updates(theta, updates), phi, opt_theta, opt_phi

    def begin(state):
        theta, phi = split(state["theta"].numpy(), "g"), split(state["phi"].numpy(), "ed")
        return theta, phi, adam.init(theta), scale.init(phi)

    def together(trees):
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)

    full = together([begin(state) for state in states])
    arrays = [
        together([{k: jnp.asarray(v.numpy()) for k, v in b.items()} for b in step_batches])
        for step_batches in batches
    ]
    if case.seeds == 1:  # no axis at all, which is the faster way
        full, arrays = (jax.tree.map(lambda leaf: leaf[0], tree) for tree in (full, arrays))
    jitted = jax.jit(step if case.seeds == 1 else jax.vmap(step))

    def params(s):
        def flat(tree, names):
            pairs = [pair for name in names for pair in tree[name]]
            leaves = [np.asarray(t).reshape(case.seeds, -1) for pair in pairs for t in pair]
            return np.concatenate(leaves, axis=1)

        return flat(s[0], "g"), flat(s[1], "ed")

    return Stepper(lambda s, b: jax.block_until_ready(jitted(s, b)), full, params), arrays


PEERS = {
    "ours": ours,
    "ours eager": lambda case, device: ours(case, device, compiled=False),
    "eager autograd": eager,
    "TorchOpt": torchopt,
    "JAX": jax,
}
NEEDS = {"TorchOpt": "torchopt", "JAX": "jax"}


def able(peer: str, case: cases.Case) -> bool:
    """Whether a peer can do a case: only ours does methods other than LBT, only ours and JAX stack
    seeds.
    """
    if case.method != "lbt":
        return peer.startswith("ours")
    return case.seeds == 1 or peer in ("ours", "JAX")
