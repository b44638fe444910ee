"""Fused CPU kernels for what LBT and its relatives do most: passes of small dense networks.

The path of ``torch.func`` (eager or compiled) stays the reference, and the only path for all that
is not covered here: images, other estimators, stacked seeds, GPUs, other types than float32. Where
``Spec.native`` is set, a network or estimator that is covered carries a kernel as a property of its
own, and the methods' building blocks (``nets.Net``, ``unroll.inner_problem``) choose it. Every
kernel is compared with its reference on a draw when it is made, and dropped with a warning where
it disagrees.

Source, in reading order: ``source/simd.hpp`` vectors; ``products.hpp`` matrix products of a tile of
rows; ``packing.hpp``; ``mlp.hpp`` a network's passes, and their tangents; ``losses.hpp`` the VAE's
bound and the discriminator's cross-entropy; ``adam.hpp``; ``kernels.cpp`` what Python sees. Widths
and depths are arguments; what the compiler must know is a tile of registers and the activation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from methods.base import Spec
from methods.kernels import binding, build, native, proof
from methods.kernels.native import Loss, Net
from methods.optim import Opt, Optimiser, clip_by_norm


@functools.cache
def library():
    """The loaded library, or None where there is none, with one warning line that says why."""
    try:
        return binding.load(build.library())
    except (build.Unavailable, OSError) as error:
        proof.warn(str(error))
        return None


def elbo(encode: Sequence[int], decode: Sequence[int], relu: bool, variance: float) -> Loss | None:
    """-ELBO of a VAE from the widths of its networks, of phi, x and one draw eps a point, if there
    is a kernel: the latent must fill whole vectors.
    """
    found = library()
    if found is None or decode[0] % found.lbt_width():
        return None
    arguments = (relu, *binding.widths(encode), *binding.widths(decode), variance)
    size = _size(encode) + _size(decode)
    handle = binding.Handle(found, "lbt_elbo", *arguments)
    return Loss(handle, (size, encode[0], decode[0]), (_same, _same))


def adversarial(widths: Sequence[int], relu: bool) -> Loss | None:
    """``losses.gan_psi`` of psi, generated points x and aux ([data], []), if there is a kernel."""
    found = library()
    if found is None:
        return None
    handle = binding.Handle(found, "lbt_adversarial", relu, *binding.widths(widths))
    sizes = _size(widths), widths[0], widths[0]
    return Loss(handle, sizes, (lambda given: given[0][0], lambda real: ([real], [])))


def net(widths: Sequence[int], relu: bool, apply: Callable[[Tensor, Tensor], Tensor]) -> Net | None:
    """The passes of a network, if there is a kernel for them that proves to be ``apply``."""
    found = library()
    if found is None:
        return None
    made = Net(binding.Handle(found, "lbt_net", relu, *binding.widths(widths)), widths)
    return made if made.proven(apply) else None


def descent(spec: Spec, optimiser: Optimiser, limit: float = 0.0) -> Callable:
    """An optimiser's update with ``optim.clip_by_norm`` before it, natively where it is Adam's."""

    def reference(params: Tensor, opt: Opt, grad: Tensor, eta: float) -> tuple[Tensor, Opt]:
        return optimiser.update(params, opt, clip_by_norm(grad, limit), eta)

    found = library() if spec.native and optimiser.adam else None
    if found is None:
        return reference
    ours = functools.partial(native.adam_update, found, optimiser.adam, limit)
    return either(ours, reference) if proof.same_update(ours, reference) else reference


def _same(eps: Tensor) -> Tensor:
    return eps


def _size(widths: Sequence[int]) -> int:
    return sum((i + 1) * o for i, o in zip(widths, widths[1:], strict=False))


def either(ours: Callable | None, reference: Callable) -> Callable:
    """``ours`` where it can read its first argument, a tensor; else ``reference``."""
    if ours is None:
        return reference

    def call(first: Tensor, *rest: Any) -> Any:
        return (ours if native.plain(first) else reference)(first, *rest)

    return call
