"""``pixelcnn``: an autoregressive model of images (van den Oord et al. 2016, Pixel Recurrent Neural
Networks), a small one.

    log p_E(x; phi) = sum_i log p(x_i | x_<i; phi)

over all numbers of an image, row by row, in a row pixel by pixel, in a pixel channel by channel:
every number is conditioned on all before it that the receptive field holds, the same pixel's
earlier channels included. Nothing is independent by assumption.

What density that is, is said by ``likelihood``, shared with the VAEs so that their numbers compare:

- ``bernoulli``: cross-entropy with real-valued pixels in [0, 1] as targets, the convention of the
  paper's VAE. Exact and normalised over images of 0 and 1, from which ``sample`` draws. For real
  values it is not a normalised density: given x_<i and the logit l, exp(x_i l - softplus(l))
  integrates over [0, 1] to tanh(l/2)/l, at most 1/2. So it stays below the log-density of the
  normalised model (the continuous Bernoulli), by log 2 or more a number.
- ``gaussian``: a normalised density of real-valued pixels, counted in [-1, 1] as the VAEs' is.

Both are differentiable in x, which a softmax over 256 levels (the source's) is not; generated
pixels are real numbers and the hypergradient needs that derivative.

Departures: 3 x 3 residual layers with nothing of 1 x 1 around them; a kernel's taps below the
current row are not stored; the blind spot to the upper right of stacked masked kernels stays.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from methods import nets
from methods.base import Spec
from methods.convnets import glorot
from methods.estimators import likelihood
from methods.estimators.base import Estimator


class PixelCNNConfig(likelihood.LikelihoodConfig):
    """Settings of ``pixelcnn``, besides those of the likelihood."""

    maps: int = Field(24, ge=1)  # feature maps of every layer
    blocks: int = Field(2, ge=0)  # residual 3 x 3 layers, after the first one of 5 x 5


def build(spec: Spec, cfg: PixelCNNConfig) -> Estimator:
    """phi = the network's kernels and biases, and the likelihood's own parameters.

    ``log_prob`` is exact in the sense above. ``sample`` draws number after number, each with its
    own normal, at the price of D passes through a strip of the image; an estimator's samples are
    kept with a run only where z_dim is at least D.
    """
    net = conditionals(spec, cfg)
    pixels = likelihood.build(spec, cfg)
    reach = 2 + cfg.blocks  # rows above a pixel that it depends on
    channels, height, width = spec.x_shape

    def init(generator: torch.Generator) -> Tensor:
        return torch.cat([net.init(generator), pixels.init()])

    def log_prob(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        phi_net, own = phi.split([net.size, pixels.size])
        x = pixels.see(x)
        out = net.apply(phi_net, x.reshape(-1, *spec.x_shape))
        return pixels.log_prob(own, out.flatten(1), x)

    def sample(phi: Tensor, z: Tensor) -> Tensor:
        phi_net, own = phi.split([net.size, pixels.size])
        z = z[:, : math.prod(spec.x_shape)].reshape(-1, *spec.x_shape)
        x = torch.zeros_like(z)
        for row in range(height):
            above = max(0, row - reach)
            for column in range(width):
                for channel in range(channels):
                    strip = pixels.see(x[:, :, above : row + 1]).view(len(z), channels, -1, width)
                    out = net.apply(phi_net, strip)[:, channel, -1, column]
                    x[:, channel, row, column] = pixels.draw(own, out, z[:, channel, row, column])
        return x

    return Estimator(init, log_prob, sample, (0,), math.prod(spec.x_shape), net.size + pixels.size)


def conditionals(spec: Spec, cfg: PixelCNNConfig) -> nets.Net:
    """The network: (B, C, H, W) -> (B, C, H, W), the output for a number depending on those before
    it alone, for images of any height. A masked 5 x 5 convolution, ``blocks`` residual ones of
    3 x 3, and a 1 x 1. ReLU, Glorot uniform.

    Raises ValueError for points that are no images, and for fewer maps than channels.
    """
    if len(spec.x_shape) != 3:
        raise ValueError(f"pixelcnn is for images, not {spec.x_shape}")
    channels = spec.x_shape[0]
    if cfg.maps < channels:
        raise ValueError(f"maps must be at least {channels}, one for every channel")
    kernels = [(cfg.maps, channels, 3, 5), *[(cfg.maps, cfg.maps, 2, 3)] * cfg.blocks]
    kernels += [(channels, cfg.maps, 1, 1)]
    shapes = [s for kernel in kernels for s in (kernel, kernel[:1])]

    def init(generator: torch.Generator) -> Tensor:
        parts = [glorot(s, generator) if len(s) == 4 else torch.zeros(s) for s in shapes]
        return torch.cat([p.flatten() for p in parts])

    def apply(phi: Tensor, x: Tensor) -> Tensor:
        layers = nets.unflatten(phi, shapes)
        x = masked(x, layers[0], layers[1], channels, first=True)
        for weight, bias in zip(layers[2:-2:2], layers[3:-2:2], strict=True):
            x = x + masked(torch.relu(x), weight, bias, channels)
        return masked(torch.relu(x), *layers[-2:], channels)

    return nets.Net(init, apply, sum(math.prod(s) for s in shapes))


def masked(x: Tensor, weight: Tensor, bias: Tensor, channels: int, first: bool = False) -> Tensor:
    """A convolution that sees the rows above, and of its own row what lies to the left.

    weight: (out, in, 1 + rows above, odd width). Maps on either side are divided evenly, in order,
    among the image's channels; of the pixel itself an output sees the maps of earlier channels, and
    of its own unless this is the ``first`` layer (mask A of the source, else B).
    """
    outputs, inputs, rows, columns = weight.shape

    def count(n: int) -> Tensor:  # on the device: no copy to it, which a CUDA graph could not hold
        return torch.arange(n, device=weight.device)

    order = count(outputs)[:, None] * channels // outputs - count(inputs) * channels // inputs
    here = (order > 0 if first else order >= 0)[:, :, None, None]
    last, middle = rows - 1, columns // 2
    row, column = count(rows)[:, None], count(columns)
    seen = (row < last) | (column < middle) | ((column == middle) & here)
    padded = F.pad(x, (middle, middle, last, 0))
    return F.conv2d(padded, torch.where(seen, weight, 0.0), bias)
