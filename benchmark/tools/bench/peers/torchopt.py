"""LBT with TorchOpt."""

from __future__ import annotations

import torch
import torchopt

from benchmark.tools.bench import cases
from benchmark.tools.bench.peers.modules import flat, negative_elbo, start
from benchmark.tools.bench.peers.stepper import BETAS, CLIP, ETA_INNER, ETA_PHI, Stepper


def peer(case: cases.Case, device: str) -> tuple[Stepper, list]:
    """TorchOpt's MetaAdam: differentiable in-place updates of modules, state restored after."""
    generator, vae, opt_theta, batches = start(case, device)
    encoder, decoder = vae
    rate = {"now": ETA_INNER}  # its optimiser takes a schedule; ours is set by hand
    meta = torchopt.MetaAdam(
        vae, lr=lambda count: rate["now"], betas=BETAS, eps=0.0, eps_root=1e-24
    )

    def loss(x, eps):
        mu, log_var = encoder(x).chunk(2, -1)
        mean = decoder(mu + (log_var / 2).exp() * eps)
        return negative_elbo(mu, log_var, mean, x)

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

    return Stepper(step, None, lambda _: flat(generator, vae)), batches
