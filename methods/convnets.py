"""Image networks, layer by layer, on one flat parameter vector.

On Stacked MNIST two families, never mixed in one table. ``lbt``: the authors' small networks,
Glorot uniform. ``metz``: those of Metz et al. (2016) as PacGAN's authors rebuilt them, N(0, 0.02),
whose discriminator has a fraction X of the generator's channels. On CIFAR-10 and CelebA the
authors' own (``lbt``), whose discriminator has dropout on its input. Pixels are [0, 1] everywhere
outside; networks that were published for [-1, 1] work on that inside.

Departures: batch normalisation always uses the statistics of the batch at hand, also when
sampling, as the authors do (for whom that batch is 100, here 500); PyTorch's strided deconvolutions
can differ from TensorFlow's "same" by a shift of one pixel. Where D judges pairs of image and code
(VEEGAN, ALI), the metz and photograph networks get a hidden layer of 200 units in place of their
linear head, which makes the small D of metz a hundred times as large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Init = Callable[[tuple[int, ...], torch.Generator], Tensor]

INPUT_DROPOUT = 0.2  # of D on CIFAR-10 and CelebA; authors' code


class Layer(NamedTuple):
    """shapes: of its parameters; the first is a weight, the others start at ``rest``.
    apply: (parameters, x (B, ...)) -> x.
    """

    apply: Callable[[list[Tensor], Tensor], Tensor]
    shapes: tuple[tuple[int, ...], ...] = ()
    weight: bool = True  # the first parameter is drawn; else all are constants
    rest: tuple[float, ...] = (0.0,)


def linear(inputs: int, outputs: int, bias: bool = True) -> Layer:
    shapes = ((outputs, inputs), (outputs,))
    return Layer(lambda p, x: F.linear(x, *p), shapes if bias else shapes[:1])


def conv(inputs: int, outputs: int, kernel: int, stride: int, bias: bool = True) -> Layer:
    """Stride 2 halves an even size for kernels 3 to 5, stride 1 keeps it for kernel 3."""
    padding = (kernel - 1) // 2
    shapes = ((outputs, inputs, kernel, kernel), (outputs,))
    return Layer(
        lambda p, x: F.conv2d(x, *p, stride=stride, padding=padding),
        shapes if bias else shapes[:1],
    )


def deconv(inputs: int, outputs: int, kernel: int, bias: bool = True, odd: bool = False) -> Layer:
    """Doubles the size, or with ``odd`` makes 2n - 1 of n."""
    padding = (kernel - 1) // 2
    shapes = ((inputs, outputs, kernel, kernel), (outputs,))

    def apply(p: list[Tensor], x: Tensor) -> Tensor:
        bias = p[1] if len(p) > 1 else None
        extra = 0 if odd else 1
        return F.conv_transpose2d(x, p[0], bias, 2, padding, output_padding=extra)

    return Layer(apply, shapes if bias else shapes[:1])


def batch_norm(channels: int, eps: float) -> Layer:
    """By the statistics of the batch at hand."""
    return Layer(
        lambda p, x: F.batch_norm(x, None, None, p[0], p[1], training=True, eps=eps),
        ((channels,), (channels,)),
        weight=False,
        rest=(1.0, 0.0),
    )


def plain(layers: Sequence[Layer]) -> list[Layer]:
    """The layers without batch normalisations, which alone have no weight."""
    return [layer for layer in layers if layer.weight]


def function(fn: Callable[[Tensor], Tensor]) -> Layer:
    return Layer(lambda p, x: fn(x))


def image(channels: int, size: int) -> Layer:
    """Features as square images, channels innermost in memory: deconvolutions on a CPU take a half
    to a third of the time that way.
    """
    return Layer(lambda p, x: x.reshape(-1, size, size, channels).permute(0, 3, 1, 2))


def flat(features: int) -> Layer:
    return Layer(lambda p, x: x.reshape(x.shape[0], features))


RELU = function(torch.relu)


def leaky_relu(slope: float) -> Layer:
    return function(lambda x: F.leaky_relu(x, slope))


def dropout(rate: float) -> Callable[[Tensor, Tensor], Tensor]:
    """(x, eps: standard normals, as x) -> x, each entry zero with probability ``rate``, the others
    scaled by 1 / (1 - rate), which keeps the mean.
    """
    least = NormalDist().inv_cdf(rate)
    return lambda x, eps: torch.where(eps < least, 0.0, x / (1 - rate))


class Stack(NamedTuple):
    """Layers in a row: init, size, shapes of the parameters, and apply: (params (P,), x) -> x."""

    init: Callable[[torch.Generator], Tensor]
    apply: Callable[[Tensor, Tensor], Tensor]
    size: int
    shapes: tuple[tuple[int, ...], ...]


def stack(layers: Sequence[Layer], init: Init) -> Stack:
    """A network of the layers, weights drawn by ``init`` in order."""
    shapes = [shape for layer in layers for shape in layer.shapes]
    sizes = [math.prod(shape) for shape in shapes]

    def start(generator: torch.Generator) -> Tensor:
        parts = []
        for layer in layers:
            drawn = layer.shapes[:1] if layer.weight else ()
            parts += [init(shape, generator) for shape in drawn]
            constant = layer.shapes[len(drawn) :]
            parts += [torch.full(s, v) for s, v in zip(constant, layer.rest, strict=False)]
        return torch.cat([part.flatten() for part in parts])

    def apply(params: Tensor, x: Tensor) -> Tensor:
        values = iter(
            part.view(shape) for part, shape in zip(params.split(sizes), shapes, strict=True)
        )
        for layer in layers:
            x = layer.apply([next(values) for _ in layer.shapes], x)
        return x

    return Stack(start, apply, sum(sizes), tuple(shapes))


def glorot(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """U(-a, a), a = sqrt(6 / (fan in + fan out)), the fans of a kernel counting its area."""
    bound = math.sqrt(6 / ((shape[0] + shape[1]) * math.prod(shape[2:])))
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound


def normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """N(0, 0.02), for kernels truncated at two standard deviations (Metz et al. 2016)."""
    weight = torch.empty(shape)
    if len(shape) == 2:
        return weight.normal_(0, 0.02, generator=generator)
    return torch.nn.init.trunc_normal_(weight, 0, 0.02, -0.04, 0.04, generator=generator)


class Family(NamedTuple):
    """generator: z_dim -> layers. trunk: (channels, ratio) -> layers up to the flat features, and
    their number. head: (features, extra) -> layers to the logit. init: of every weight.
    signed: whether the networks work on pixels in [-1, 1]. dropout: its rate on D's input.
    """

    x_shape: tuple[int, ...]
    generator: Callable[[int], list[Layer]]
    trunk: Callable[[int, float], tuple[list[Layer], int]]
    head: Callable[[int, int], list[Layer]]
    init: Init
    signed: bool
    dropout: float = 0.0


def _lbt_generator(z_dim: int) -> list[Layer]:
    return [
        linear(z_dim, 1024, bias=False), batch_norm(1024, 1e-3), RELU,
        linear(1024, 1568, bias=False), batch_norm(1568, 1e-3), RELU,
        image(32, 7),
        deconv(32, 16, 5, bias=False), batch_norm(16, 1e-3), RELU,
        deconv(16, 3, 5), function(torch.sigmoid),
    ]  # fmt: skip


def _lbt_trunk(channels: int, ratio: float) -> tuple[list[Layer], int]:
    first, second = round(16 * ratio), round(32 * ratio)
    layers = [
        conv(channels, first, 4, 2), leaky_relu(0.2),
        conv(first, second, 4, 2, bias=False), leaky_relu(0.2),
        flat(second * 49),
    ]  # fmt: skip
    return layers, second * 49


def _lbt_head(features: int, extra: int) -> list[Layer]:
    return [linear(features + extra, 1024, bias=False), leaky_relu(0.2), linear(1024, 1)]


def _metz_generator(z_dim: int) -> list[Layer]:
    return [
        linear(z_dim, 1024), image(64, 4), batch_norm(64, 1e-5), RELU,
        deconv(64, 32, 3, odd=True), batch_norm(32, 1e-5), RELU,
        deconv(32, 16, 3), batch_norm(16, 1e-5), RELU,
        deconv(16, 8, 3), batch_norm(8, 1e-5), RELU,
        conv(8, 3, 3, 1), function(torch.tanh),
    ]  # fmt: skip


def _metz_trunk(channels: int, ratio: float) -> tuple[list[Layer], int]:
    widths = [channels, *(round(width * ratio) for width in (8, 16, 32))]
    layers: list[Layer] = []
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        layers += [conv(inputs, outputs, 3, 2), batch_norm(outputs, 1e-5), leaky_relu(0.3)]
    return [*layers, flat(widths[-1] * 16)], widths[-1] * 16


def _metz_head(features: int, extra: int) -> list[Layer]:
    if not extra:
        return [linear(features, 1)]
    # A linear head cannot relate image and code; 200 hidden units as in the VEEGAN authors' ALI.
    return [linear(features + extra, 200), leaky_relu(0.3), linear(200, 1)]


def _photo_generator(widths: tuple[int, ...]) -> Callable[[int], list[Layer]]:
    """512 x 4 x 4, then a deconvolution to each width, each twice the size, and one to RGB."""

    def layers(z_dim: int) -> list[Layer]:
        found = [linear(z_dim, 512 * 16), image(512, 4), batch_norm(512, 1e-3), RELU]
        inputs = 512
        for width in widths:
            found += [deconv(inputs, width, 5, bias=False), batch_norm(width, 1e-3), RELU]
            inputs = width
        return [*found, deconv(inputs, 3, 5), function(torch.tanh)]

    return layers


def _photo_trunk(widths: tuple[int, ...]) -> Callable[[int, float], tuple[list[Layer], int]]:
    """Convolutions that halve the size down to 4 x 4, the first without batch normalisation."""

    def layers(channels: int, ratio: float) -> tuple[list[Layer], int]:
        first, *others = (round(width * ratio) for width in widths)
        found = [conv(channels, first, 5, 2), leaky_relu(0.2)]
        inputs = first
        for width in others:
            found += [conv(inputs, width, 5, 2, bias=False), batch_norm(width, 1e-3)]
            found += [leaky_relu(0.2)]
            inputs = width
        return [*found, flat(inputs * 16)], inputs * 16

    return layers


def _photo_head(features: int, extra: int) -> list[Layer]:
    if not extra:
        return [linear(features, 1)]
    return [linear(features + extra, 200), leaky_relu(0.2), linear(200, 1)]


def _photo(x_shape: tuple[int, ...], up: tuple[int, ...], down: tuple[int, ...]) -> Family:
    layers = _photo_generator(up), _photo_trunk(down), _photo_head
    return Family(x_shape, *layers, glorot, signed=True, dropout=INPUT_DROPOUT)


FAMILIES = {
    ("lbt", 28): Family((3, 28, 28), _lbt_generator, _lbt_trunk, _lbt_head, glorot, signed=False),
    ("metz", 28): Family(
        (3, 28, 28), _metz_generator, _metz_trunk, _metz_head, normal, signed=True
    ),
    ("lbt", 32): _photo((3, 32, 32), (256, 128), (64, 128, 256)),
    ("lbt", 64): _photo((3, 64, 64), (256, 128, 64), (64, 128, 256, 512)),
}
