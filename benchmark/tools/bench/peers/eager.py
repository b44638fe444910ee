"""LBT in plain eager PyTorch."""

from __future__ import annotations

import torch
from torch.func import functional_call

from benchmark.tools.bench import cases
from benchmark.tools.bench.peers.modules import flat, negative_elbo, start
from benchmark.tools.bench.peers.stepper import BETAS, CLIP, ETA_INNER, ETA_PHI, Stepper


def peer(case: cases.Case, device: str) -> tuple[Stepper, list]:
    """Plain eager PyTorch: autograd through the unrolled graph, torch.optim for what is kept."""
    generator, vae, opt_theta, batches = start(case, device)
    encoder, decoder = vae
    opt_phi = torch.optim.Adam(vae.parameters(), ETA_INNER, BETAS, eps=1e-24)
    names = [n for n, _ in vae.named_parameters()]

    def loss(values, x, eps):
        given = dict(zip(names, values, strict=True))
        enc = {n[2:]: v for n, v in given.items() if n.startswith("0.")}
        dec = {n[2:]: v for n, v in given.items() if n.startswith("1.")}
        mu, log_var = functional_call(encoder, enc, (x,)).chunk(2, -1)
        mean = functional_call(decoder, dec, (mu + (log_var / 2).exp() * eps,))
        return negative_elbo(mu, log_var, mean, x)

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

    return Stepper(step, None, lambda _: flat(generator, vae)), batches
