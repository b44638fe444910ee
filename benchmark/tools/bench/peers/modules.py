"""LBT's networks, start and loss as ordinary torch modules, for the peers built on them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.tools.bench import cases
from benchmark.tools.bench.peers.stepper import BETAS, ETA_THETA, LATENT, VARIANCE
from benchmark.training.lane import to_device
from methods import nets


def networks() -> tuple[torch.nn.Module, torch.nn.Module, torch.nn.Module]:
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


def start(case: cases.Case, device: str):
    """Generator, VAE (encoder, decoder) and G's optimiser as torch modules, in the case's state."""
    torch.set_grad_enabled(True)
    generator, encoder, decoder = networks()
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


def negative_elbo(mu: Tensor, log_var: Tensor, mean: Tensor, x: Tensor) -> Tensor:
    log_lik = -(x - mean).square().sum(-1) / (2 * VARIANCE) - np.log(2 * np.pi * VARIANCE)
    kl = (mu.square() + log_var.exp() - 1 - log_var).sum(-1) / 2
    return (kl - log_lik).mean()


def flat(*modules) -> tuple[np.ndarray, ...]:
    return tuple(
        torch.cat([p.detach().flatten() for p in module.parameters()]).cpu().numpy()[None]
        for module in modules
    )
