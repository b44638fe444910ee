"""The kernels as functions of flat float32 tensors on the CPU: what ``source/kernels.cpp`` exports.

All of them are pure: they write to tensors that they make. Shapes are checked here, since nothing
below does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import CDLL, byref
from typing import Any

import torch
from torch import Tensor

from methods.kernels import proof
from methods.kernels.binding import Handle, checked, moments, point, pointers, settings
from methods.optim import Adam, Opt


class Loss:
    """The loss of an inner problem, minimised over phi, and what its unrolling takes.

    sizes: floats of phi, and of a row of x and of aux. aux: finds the kernel's in the method's, and
    makes the latter of the former.
    """

    def __init__(
        self,
        handle: Handle,
        sizes: tuple[int, int, int],
        aux: tuple[Callable[[Any], Tensor], Callable[[Tensor], Any]],
    ) -> None:
        self._handle, self._library = handle, handle.library
        self.size, self.x_width, self.aux_width = sizes
        self._aux, self._to_aux = aux

    def proven(self, adam: Adam | None, step: Callable, adjoint: Callable) -> bool:
        """Whether one update and its pull-back are those of ``unroll.Inner`` in eager mode, on a
        draw. Warns where they are not.
        """
        if adam is None:
            return False
        draw = torch.Generator().manual_seed(0)
        phi, m, v, *lam = (0.1 * torch.randn(self.size, generator=draw) for _ in range(6))
        x = torch.randn(proof.ROWS, self.x_width, generator=draw)
        aux = self._to_aux(torch.randn(proof.ROWS, self.aux_width, generator=draw))
        opt = {"m": m, "v": v.square(), "t": torch.tensor(2.0)}
        eta, lam_opt = torch.tensor(1e-3), {"m": lam[1], "v": lam[2], "t": torch.zeros(())}
        theirs = step(phi, opt, x, aux, eta)
        pull = phi, opt, theirs[2], x, aux, eta, lam[0], lam_opt
        ours = self.step(adam, phi, opt, x, aux, eta)[:3]
        return proof.agree((ours, self.adjoint(adam, *pull)), (theirs, adjoint(*pull)))

    def gradient(self, phi: Tensor, x: Tensor, aux: Any) -> tuple[Tensor, Tensor]:
        """dloss/dphi (P,) and the loss, 0-d."""
        (g, _), value = self._gradients(phi, x, aux, None)
        return g, value

    def gradients(self, phi: Tensor, x: Tensor, aux: Any) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """(dloss/dphi, dloss/dx) and the loss."""
        return self._gradients(phi, x, aux, torch.empty(x.shape))

    def _gradients(self, phi, x, aux, gx):
        phi, x, aux = self._batch(phi, x, self._aux(aux))
        g = torch.empty_like(phi)
        call = self._library.lbt_gradient
        value = call(self._handle.at, *pointers(phi, x, aux), len(x), *pointers(g, gx))
        return (g, gx), torch.tensor(value, dtype=torch.float32)

    def step(self, adam: Adam, phi: Tensor, opt: Opt, x: Tensor, aux: Any, eta: Tensor | float):
        """One Adam update: phi, opt, the gradient used, and the loss before, a number."""
        phi, x, aux = self._batch(phi, x, self._aux(aux))
        g = torch.empty_like(phi)
        phi, opt, value = self._updates(adam, 1, phi, opt, x, aux, len(x), eta, g)
        return phi, opt, g, value

    def steps(self, adam: Adam, phi: Tensor, opt: Opt, xs: Tensor, aux: Any, eta: Tensor | float):
        """One Adam update on each of xs (n, B, ...) and aux (n, B, ...): phi, opt."""
        n, rows = xs.shape[:2]
        phi, xs, aux = self._batch(phi, xs.flatten(0, 1), self._aux(aux).flatten(0, 1))
        return self._updates(adam, n, phi, opt, xs, aux, rows, eta, None)[:2]

    def _updates(self, adam, n, phi, opt, x, aux, rows, eta, g):
        before, after = moments(opt, phi), {k: torch.empty_like(v) for k, v in opt.items()}
        new, constants = torch.empty_like(phi), settings(adam, eta)
        if n == 0:
            return phi, opt, 0.0
        value = self._library.lbt_updates(
            self._handle.at,
            byref(constants),
            n,
            point(phi, before),
            *pointers(x, aux),
            rows,
            point(new, after),
            *pointers(g),
        )
        return new, after, value

    def adjoint(self, adam, phi, opt, g, x, aux, eta, lam_phi, lam_opt):
        """As ``methods.unroll.Inner.adjoint``."""
        phi, x, aux = self._batch(phi, x, self._aux(aux))
        opt, lam_opt = moments(opt, phi), moments(lam_opt, phi)
        g, lam_phi = checked(g, phi.shape), checked(lam_phi, phi.shape)
        new, m, v, h_x = (torch.empty_like(t) for t in (phi, phi, phi, x))
        constants = settings(adam, eta)
        self._library.lbt_adjoint(
            self._handle.at,
            byref(constants),
            point(phi, opt),
            *pointers(g, x, aux),
            len(x),
            *pointers(lam_phi, lam_opt["m"], lam_opt["v"], new, m, v, h_x),
        )
        # t carries no cotangent: it is not differentiated.
        return new, {"m": m, "v": v, "t": torch.zeros_like(opt["t"])}, h_x

    def _batch(self, phi: Tensor, x: Tensor, aux: Tensor) -> list[Tensor]:
        rows = len(x)
        phi = checked(phi, (self.size,))
        return [phi, checked(x, (rows, self.x_width)), checked(aux, (rows, self.aux_width))]


class Net:
    """A fully connected network's two passes, of any number of leading axes. scale: on its output.

    Raises ValueError on other shapes, as everything here.
    """

    def __init__(self, handle: Handle, sizes: Sequence[int], scale: float = 1.0) -> None:
        self._handle, self._library = handle, handle.library
        self._sizes, self._scale = tuple(sizes), scale
        self._size = sum((i + 1) * o for i, o in zip(sizes, sizes[1:], strict=False))

    def proven(self, apply: Callable[[Tensor, Tensor], Tensor]) -> bool:
        """Whether values and gradients are those of ``apply``, on a draw. Warns where not."""
        draw = torch.Generator().manual_seed(0)
        params = 0.1 * torch.randn(self._size, generator=draw)
        x, dy = (torch.randn(proof.ROWS, self._sizes[i], generator=draw) for i in (0, -1))
        y, pull = torch.func.vjp(apply, params, x)
        _, of_x = self.input_differentiable(params, x)
        ours, of_params = self.differentiable(params, x)
        of_x, of_params = of_x(dy), of_params(dy)
        return proof.agree((ours, of_params, of_x), (y, *pull(dy)))

    def scaled(self, scale: float) -> Net:
        """The same network with its output times a constant."""
        return Net(self._handle, self._sizes, self._scale * scale)

    def apply(self, params: Tensor, x: Tensor) -> Tensor:
        """(P,), (..., in) -> (..., out)."""
        return self._forward(params, x, keep=False)[0]

    def differentiable(self, params: Tensor, x: Tensor):
        """The output, and dJ/doutput -> dJ/dparams."""
        y, pull = self._both(params, x)
        return y, lambda dy: pull(dy, True)

    def input_differentiable(self, params: Tensor, x: Tensor):
        """The output, and dJ/doutput -> dJ/dx."""
        y, pull = self._both(params, x)
        return y, lambda dy: pull(dy, False)

    def _both(self, params: Tensor, x: Tensor):
        y, kept = self._forward(params, x, keep=True)

        def pull(dy: Tensor, of_params: bool) -> Tensor:
            rows, below = self._rows(x), checked(params, (self._size,))
            to = checked(self._scale * dy, y.shape)
            found = torch.empty_like(below if of_params else rows)
            outputs = (found, None) if of_params else (None, found)
            self._library.lbt_backward(
                self._handle.at, *pointers(below, rows, kept, to), len(rows), *pointers(*outputs)
            )
            return found if of_params else found.view(x.shape)

        return y, pull

    def _forward(self, params: Tensor, x: Tensor, keep: bool) -> tuple[Tensor, Tensor | None]:
        rows, params = self._rows(x), checked(params, (self._size,))
        y = torch.empty(len(rows), self._sizes[-1])
        kept = torch.empty(self._library.lbt_kept(self._handle.at, len(rows))) if keep else None
        self._library.lbt_forward(
            self._handle.at, *pointers(params, rows), len(rows), *pointers(y, kept)
        )
        y = y.view(*x.shape[:-1], self._sizes[-1])
        return (y if self._scale == 1 else y * self._scale), kept

    def _rows(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, -2)
        return checked(rows, (len(rows), self._sizes[0]))


def adam_update(
    library: CDLL, adam: Adam, limit: float, params: Tensor, opt: Opt, g: Tensor, eta: float
) -> tuple[Tensor, Opt]:
    """One Adam update with g scaled down to norm ``limit`` where it is longer; 0: as it is."""
    params = checked(params, params.shape)
    before, after = moments(opt, params), {k: torch.empty_like(v) for k, v in opt.items()}
    new, g, constants = torch.empty_like(params), checked(g, params.shape), settings(adam, eta)
    library.lbt_adam(
        byref(constants),
        len(params),
        point(params, before),
        *pointers(g),
        limit,
        point(new, after),
    )
    return new, after


def plain(tensor: Tensor) -> bool:
    """Whether the kernels can read it: float32 on the CPU, and no part of a transform."""
    return (
        tensor.dtype == torch.float32
        and tensor.device.type == "cpu"
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )
