"""``source/kernels.cpp`` by ctypes: its functions' types, and tensors as their arguments."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_double, c_int, c_long, c_void_p
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.optim import Adam, Opt


class AdamSettings(Structure):
    names = ("eta", "beta1", "beta2", "eps", "eps_root")
    _fields_ = [*((name, c_double) for name in names), ("detach_v", c_int)]


class Point(Structure):
    """Parameters with Adam's moments and count."""

    _fields_ = [(name, c_void_p) for name in ("params", "m", "v", "t")]


_WIDTHS = POINTER(c_int)
_SIGNATURES = {
    "lbt_width": (c_int, []),
    "lbt_elbo": (c_void_p, [c_int, _WIDTHS, c_int, _WIDTHS, c_int, c_double]),
    "lbt_adversarial": (c_void_p, [c_int, _WIDTHS, c_int]),
    "lbt_net": (c_void_p, [c_int, _WIDTHS, c_int]),
    "lbt_free": (None, [c_void_p]),
    "lbt_gradient": (c_double, [c_void_p] * 4 + [c_long] + [c_void_p] * 2),
    "lbt_updates": (
        c_double,
        [c_void_p, POINTER(AdamSettings), c_long, Point]
        + [c_void_p, c_void_p, c_long, Point, c_void_p],
    ),
    "lbt_adjoint": (
        None,
        [c_void_p, POINTER(AdamSettings), Point] + [c_void_p] * 3 + [c_long] + [c_void_p] * 7,
    ),
    "lbt_kept": (c_long, [c_void_p, c_long]),
    "lbt_forward": (None, [c_void_p] * 3 + [c_long] + [c_void_p] * 2),
    "lbt_backward": (None, [c_void_p] * 5 + [c_long] + [c_void_p] * 2),
    "lbt_adam": (None, [POINTER(AdamSettings), c_long, Point, c_void_p, c_double, Point]),
}


def load(path: Path) -> ctypes.CDLL:
    """The shared library with its functions' types. Raises OSError."""
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Handle:
    """An object of the library's, freed with this one."""

    def __init__(self, library: ctypes.CDLL, create: str, *arguments: Any) -> None:
        self.library = library
        self.at = getattr(library, create)(*arguments)
        weakref.finalize(self, library.lbt_free, self.at)


def widths(sizes: Sequence[int]) -> tuple[ctypes.Array, int]:
    """A network's widths, and how many, as arguments of the library."""
    return (c_int * len(sizes))(*sizes), len(sizes)


def checked(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The tensor, contiguous. Raises ValueError where it is not float32 of that shape."""
    if tensor.shape != shape or tensor.dtype != torch.float32:
        raise ValueError(f"expected float32 {shape}, got {tensor.dtype} {tuple(tensor.shape)}")
    return tensor.contiguous()


def moments(opt: Opt, params: Tensor) -> Opt:
    """Adam's, of these parameters, checked."""
    shape = params.shape
    m, v, t = checked(opt["m"], shape), checked(opt["v"], shape), checked(opt["t"], ())
    return {"m": m, "v": v, "t": t}


def pointers(*tensors: Tensor | None) -> list[int | None]:
    """Addresses, null for None; the tensors must outlive the call."""
    return [None if t is None else t.data_ptr() for t in tensors]


def point(params: Tensor, opt: Opt) -> Point:
    """Parameters and moments, both checked before."""
    return Point(*pointers(params, opt["m"], opt["v"], opt["t"]))


def settings(adam: Adam, eta: Tensor | float) -> AdamSettings:
    """Adam's constants with a step size."""
    return AdamSettings(float(eta), adam.beta1, adam.beta2, adam.eps, adam.eps_root, adam.detach_v)
