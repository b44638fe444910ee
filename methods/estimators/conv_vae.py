"""``conv_vae``: the paper's VAE with convolutional networks, for images.

Not of the paper, whose VAE is fully connected on images too and which hopes for more powerful
estimators (section 6). No batch normalisation: the bound of one image must not depend on others.
"""

from __future__ import annotations

import math

from pydantic import Field
from torch import Tensor

from methods import convnets
from methods.base import Spec
from methods.convnets import RELU, conv, deconv, flat, function, image, linear
from methods.estimators import vae
from methods.estimators.base import Estimator

SMALLEST = 8  # sides are halved until they are at most this: 28 to 7, 32 and 64 to 8


class ConvVAEConfig(vae.BoundConfig):
    """Settings of ``conv_vae``, besides those of every VAE."""

    channels: int = Field(8, ge=1)  # after the first convolution; twice as many after each further


def build(spec: Spec, cfg: ConvVAEConfig) -> Estimator:
    """Encoder: 5 x 5 convolutions of stride 2, then linear to (mu, log sigma^2). Decoder: the
    reverse. ReLU, Glorot uniform.

    Raises ValueError for points that are no square images, or whose side cannot be halved.
    """
    if len(spec.x_shape) != 3 or spec.x_shape[1] != spec.x_shape[2]:
        raise ValueError(f"conv_vae is for square images, not {spec.x_shape}")
    colours, side, _ = spec.x_shape
    halvings = max(1, math.ceil(math.log2(side / SMALLEST)))
    if side % 2**halvings:
        raise ValueError(f"conv_vae halves sides {halvings} times, which {side} is too odd for")
    widths = [colours, *(cfg.channels * 2**i for i in range(halvings))]
    small = side // 2**halvings
    features = widths[-1] * small**2

    def images(x: Tensor) -> Tensor:
        return x.reshape(-1, *spec.x_shape)

    down = [function(images)]
    up = [linear(cfg.latent, features), RELU, image(widths[-1], small)]
    for inner, outer in zip(widths[1:], widths[:-1], strict=True):
        down += [conv(outer, inner, 5, 2), RELU]
    for inner, outer in zip(widths[:0:-1], widths[-2::-1], strict=True):
        up += [deconv(inner, outer, 5), RELU]
    down += [flat(features), linear(features, 2 * cfg.latent)]
    up[-1] = flat(math.prod(spec.x_shape))  # the output itself is not rectified
    encode, decode = (convnets.stack(layers, convnets.glorot) for layers in (down, up))
    return vae.bound(spec, cfg, encode, decode)
