"""What a kernel must show before it is used: that it is its reference, to rounding, on a draw."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

# Of norms, in float32: sums of some hundred products in another order differ by about 1e-6.
AGREEMENT = 1e-4
ROWS = 77  # a whole tile, and one that ends in pieces of every height


def agree(ours: Any, theirs: Any) -> bool:
    """Whether trees of tensors are the same to rounding, each by its norm; warns where not."""
    pairs = zip(pytree.tree_leaves(ours), pytree.tree_leaves(theirs), strict=True)
    errors = [float((a - b).norm() - AGREEMENT * b.norm()) for a, b in pairs]
    same = all(error <= 0 for error in errors)
    if not same:
        warn("they disagree with PyTorch")
    return same


@functools.cache
def warn(reason: str) -> None:
    """Once for every reason."""
    print(f"warning: running without native kernels: {reason}", file=sys.stderr)


def same_update(ours: Callable, reference: Callable) -> bool:
    """Whether two updates of (params, opt, grad, eta) agree, on a draw."""
    params, m, v, g = torch.randn(4, 999, generator=torch.Generator().manual_seed(0)).unbind()
    given = params, {"m": m, "v": v.square(), "t": torch.tensor(2.0)}, g, 1e-3
    return agree(ours(*given), reference(*given))
