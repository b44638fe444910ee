"""Networks as pairs of pure functions on one flat parameter vector; image networks are built from
``methods/convnets.py``.

A flat vector per player makes Adam a handful of fused operations on any device, the hypergradient
plain vector algebra, and a checkpoint one array. Initialisation is Glorot uniform with zero biases
and the hidden activation tanh for every 2D network (authors' code).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import vjp

from methods import convnets, kernels
from methods.base import Batch, Spec

TOY_START = (-3.1, -2.9)  # means of the 1D example; paper appendix B: "around -3"
HIDDEN = (128, 128)  # paper section 5.1: two hidden layers of 128 units in every 2D network


class Passes(NamedTuple):
    """A network's forward and reverse pass apart, so that each can be compiled.

    forward: (params (P,), x (..., in)) -> (y (..., out), kept).
    backward: (params, kept, dJ/dy) -> dJ/dparams.
    """

    forward: Callable[[Tensor, Tensor], tuple[Tensor, list[Tensor]]]
    backward: Callable[[Tensor, list[Tensor], Tensor], Tensor]


class Net(NamedTuple):
    """init: generator -> params (P,). apply: (params (P,), x (B, in)) -> (B, out). size: P.
    joint: whether rows go through independently, so that batches may be put together.
    passes: the same as ``apply`` in two pieces, where there is such a thing.
    kernel: the same natively, where Spec.native asks for it and there is such a thing; of a
        discriminator, logits have a last axis of one.
    judging: ``losses.gan_psi`` of a discriminator natively, likewise.
    noise: shape of the standard normals that ``apply`` takes per row as its last argument; () where
        it takes none.
    shapes: of its parameters in order, where a method needs to know; weights have two axes or more.
    """

    init: Callable[[torch.Generator], Tensor]
    apply: Callable[[Tensor, Tensor], Tensor]
    size: int
    joint: bool = True
    passes: Passes | None = None
    noise: tuple[int, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    kernel: kernels.Net | None = None
    judging: kernels.Loss | None = None

    def draws(self, rows: int, *names: str) -> dict[str, tuple[int, ...]]:
        """What ``Method.noise`` must have so that ``apply`` can be called once for each name."""
        return {name: (rows, *self.noise) for name in names if self.noise}

    def drawn(self, batch: Batch, name: str) -> list[Tensor]:
        """The last arguments of the call of that name: its noise, or nothing."""
        return [batch[name]] if self.noise else []

    def each(self, apply: Callable[[Tensor, Tensor], Tensor], params: Tensor, x: Tensor) -> Tensor:
        """``apply``, which is ours or a compiled one, on every batch of x (n, B, in): in one go
        where rows are independent, which is faster, else one by one.
        """
        if self.joint:
            return apply(params, x)
        return torch.stack([apply(params, batch) for batch in x])

    def forward(self, jit: Callable[[Callable], Callable]) -> Callable[[Tensor, Tensor], Tensor]:
        """``apply``, natively or compiled."""
        return kernels.either(self.kernel and self.kernel.apply, jit(self.apply))

    def differentiable(
        self, jit: Callable[[Callable], Callable]
    ) -> Callable[[Tensor, Tensor], tuple[Tensor, Callable[[Tensor], Tensor]]]:
        """(params, x (n, B, in)) -> (y (n, B, out), pull: dJ/dy -> dJ/dparams).

        Of what ``torch.func.vjp`` records nothing can be compiled; the passes can, which makes this
        1.8 times as fast (docs/ENGINE.md).
        """
        if self.passes is None:
            return lambda params, x: recorded(lambda p: self.each(self.apply, p, x), params)
        forward, backward = jit(self.passes.forward), jit(self.passes.backward)

        def call(params: Tensor, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
            y, kept = forward(params, x)
            return y, lambda g: backward(params, kept, g)

        return kernels.either(self.kernel and self.kernel.differentiable, call)


def recorded(fn: Callable[[Tensor], Tensor], params: Tensor):
    """fn(params), and its pull-back to dJ/dparams."""
    y, pull = vjp(fn, params)
    return y, lambda g: pull(g)[0]


def unflatten(params: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Views of a flat vector as tensors of the given shapes, in order."""
    parts = params.split([math.prod(shape) for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def glorot_uniform(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """A weight (out, in) drawn from U(-a, a), a = sqrt(6 / (in + out))."""
    bound = math.sqrt(6 / sum(shape))
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound


def tanh(x: Tensor) -> Tensor:
    """tanh as 2 sigmoid(2x) - 1, within 2e-7: torch vectorises sigmoid far better on a CPU, which
    makes a compiled LBT iteration 1.05 times as fast (B = 128, M = 15, one thread).
    """
    return 2 * torch.sigmoid(2 * x) - 1


# Derivatives of activations, from their values.
SLOPES = {tanh: lambda y: 1 - y * y, torch.relu: lambda y: (y > 0).to(y.dtype)}


def mlp(
    sizes: Sequence[int], activation: Callable[[Tensor], Tensor] = tanh, native: bool = False
) -> Net:
    """A fully connected network with a linear output. activation: tanh, or torch.relu. native: with
    a kernel, if there is one.
    """
    shapes = [s for i, o in zip(sizes, sizes[1:], strict=False) for s in ((o, i), (o,))]
    slope = SLOPES[activation]

    def init(generator: torch.Generator) -> Tensor:
        parts = [glorot_uniform(s, generator) if len(s) == 2 else torch.zeros(s) for s in shapes]
        return torch.cat([p.flatten() for p in parts])

    def forward(params: Tensor, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        layers = unflatten(params, shapes)
        kept = [x]
        for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
            kept.append(activation(F.linear(kept[-1], weight, bias)))
        return F.linear(kept[-1], *layers[-2:]), kept

    def backward(params: Tensor, kept: list[Tensor], g: Tensor) -> Tensor:
        weights = unflatten(params, shapes)[::2]
        found: list[Tensor] = []
        for i in reversed(range(len(weights))):
            rows = g.flatten(0, -2)
            found = [(rows.T @ kept[i].flatten(0, -2)).flatten(), rows.sum(0), *found]
            if i:
                g = g @ weights[i] * slope(kept[i])
        return torch.cat(found)

    def apply(params: Tensor, x: Tensor) -> Tensor:
        return forward(params, x)[0]

    size = sum(math.prod(s) for s in shapes)
    kernel = kernels.net(sizes, activation is torch.relu, apply) if native else None
    passes = Passes(forward, backward)
    return Net(init, apply, size, passes=passes, shapes=tuple(shapes), kernel=kernel)


def generator(spec: Spec, family: str = "auto") -> Net:
    """G(z; theta): (B, Z) -> (B, *x_shape), pixels in [0, 1], 2D points times spec.scale."""
    if family == "toy":
        return pair(spec)
    if len(spec.x_shape) == 1:
        flat = mlp((spec.z_dim, *HIDDEN, *spec.x_shape), native=spec.native)
        return flat if spec.scale == 1 else _scaled(flat, spec.scale)
    chosen = _family(spec, family)
    net = convnets.stack(chosen.generator(spec.z_dim), chosen.init)

    def apply(theta: Tensor, z: Tensor) -> Tensor:
        x = net.apply(theta, z)
        return (x + 1) / 2 if chosen.signed else x

    return Net(net.init, apply, net.size, joint=False)


def _scaled(net: Net, scale: float) -> Net:
    """A network's output times a constant."""

    def forward(params: Tensor, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        y, kept = net.passes.forward(params, x)
        return scale * y, kept

    def backward(params: Tensor, kept: list[Tensor], g: Tensor) -> Tensor:
        return net.passes.backward(params, kept, scale * g)

    def apply(params: Tensor, x: Tensor) -> Tensor:
        return scale * net.apply(params, x)

    kernel = net.kernel and net.kernel.scaled(scale)
    return net._replace(apply=apply, passes=Passes(forward, backward), kernel=kernel)


def pair(spec: Spec) -> Net:
    """N(a, 1) / 2 + N(b, 1) / 2 with theta = (a, b) (paper section 1, Fig. 7), reparameterised.

    The sign of z's first entry picks the mean, its second is the noise; every seed starts at
    ``TOY_START``.
    """
    if spec.x_shape != (1,) or spec.z_dim < 2:
        raise ValueError(f"the toy generator makes points (1,) of 2 normals, not {spec.x_shape}")

    def apply(theta: Tensor, z: Tensor) -> Tensor:
        a, b = theta.unbind()
        return torch.where(z[..., :1] < 0, a, b) + z[..., 1:2]

    return Net(lambda generator: torch.tensor(TOY_START), apply, len(TOY_START))


def discriminator(
    spec: Spec,
    family: str = "auto",
    *,
    ratio: float = 1.0,
    pack: int = 1,
    extra: int = 0,
    normalised: bool = True,
    activation: Callable[[Tensor], Tensor] = tanh,
) -> Net:
    """D(.; psi) -> logits (B,).

    apply: (psi, x (B, pack * channels, ...)[, code (B, extra)][, eps (B, *noise)]).

    ``pack`` points are concatenated along their first axis (coordinates or channels); only the
    first layer grows with them, as in PacGAN. A code joins flat data at the input, images at the
    flattened features, as in ALI. eps is for the dropout of x, on photographs. ratio: of the widths
    of D's hidden units or channels. normalised: False leaves out image networks' batch
    normalisation, which makes a point's logit depend on the others'. activation: of flat data's
    hidden units.
    """
    if len(spec.x_shape) == 1:
        (features,) = spec.x_shape
        hidden = (max(1, round(width * ratio)) for width in HIDDEN)
        widths = (features * pack + extra, *hidden, 1)
        flat = mlp(widths, activation, native=spec.native and not extra)

        def judge(psi: Tensor, *x: Tensor) -> Tensor:
            return flat.apply(psi, torch.cat(x, dim=1)).squeeze(-1)

        judging = kernels.adversarial(widths, relu=False) if flat.kernel else None
        return flat._replace(apply=judge, passes=None, judging=judging)
    chosen = _family(spec, family)
    channels, *size = spec.x_shape
    layers, features = chosen.trunk(channels * pack, ratio)
    if not normalised:
        layers = convnets.plain(layers)
    trunk = convnets.stack(layers, chosen.init)
    head = convnets.stack(chosen.head(features, extra), chosen.init)
    drop = convnets.dropout(chosen.dropout) if chosen.dropout else None

    def init(generator: torch.Generator) -> Tensor:
        return torch.cat([trunk.init(generator), head.init(generator)])

    def apply(psi: Tensor, x: Tensor, *code: Tensor) -> Tensor:
        psi_trunk, psi_head = psi.split([trunk.size, head.size])
        x = 2 * x - 1 if chosen.signed else x
        if chosen.dropout:
            *code, eps = code
            x = drop(x, eps)
        found = trunk.apply(psi_trunk, x)
        return head.apply(psi_head, torch.cat([found, *code], dim=1)).squeeze(-1)

    noise = (channels * pack, *size) if chosen.dropout else ()
    shapes = trunk.shapes + head.shapes
    return Net(init, apply, trunk.size + head.size, noise=noise, shapes=shapes)


def encoder(spec: Spec, out: int) -> Net:
    """An encoder or reconstructor: (B, *x_shape) -> (B, out). 500-500 ReLU on images, the size of
    the VEEGAN authors' encoder.
    """
    features = math.prod(spec.x_shape)
    if len(spec.x_shape) == 1:
        return mlp((features, *HIDDEN, out))
    net = mlp((features, 500, 500, out), torch.relu)
    return net._replace(apply=lambda xi, x: net.apply(xi, x.flatten(1)), passes=None)


def _family(spec: Spec, name: str) -> convnets.Family:
    name = "lbt" if name == "auto" else name
    family = convnets.FAMILIES.get((name, spec.x_shape[-1]))
    if family is None or family.x_shape != spec.x_shape:
        raise ValueError(f"there are no {name} networks for points of shape {spec.x_shape}")
    return family
