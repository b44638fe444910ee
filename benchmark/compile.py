"""torch.compile where it pays, plain execution elsewhere, never a failure.

Compiled kernels are cached on disk by torch itself, so the cost is about half a minute once per
machine and a few seconds per process after that.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable

from benchmark.errors import first_line

MIN_STEPS = 1_000  # below this a cold compile (20 to 40 s for LBT) costs more than it saves


def pays(iterations: int) -> bool:
    """Whether a run of that many iterations repays compiling."""
    return iterations >= MIN_STEPS


class Jit:
    """A function transformer for ``Spec.jit``: compiles, or falls back with one warning.

    active: whether compiled code is in use, for the record.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.active = enabled
        if enabled:
            import torch

            os.environ.setdefault("TORCHINDUCTOR_FX_GRAPH_CACHE", "1")
            torch.compiler.reset()  # earlier methods' entries would count against its cache limit

    def __call__(self, fn: Callable) -> Callable:
        if not self.active:
            return fn
        import torch

        # The C++ wrapper saves the interpreter's share of a small graph, 12 % of an update.
        options = None if torch.cuda.is_available() else {"cpp_wrapper": True}
        compiled = torch.compile(fn, fullgraph=True, dynamic=False, options=options)
        proven = False

        @functools.wraps(fn)
        def call(*args):
            nonlocal proven
            if proven:
                return compiled(*args)
            if not self.active:
                return fn(*args)
            try:
                result = compiled(*args)
            except Exception as error:
                reason = first_line(error)
                print(f"warning: not compiling, running eagerly: {reason}", file=sys.stderr)
                self.active = False
                return fn(*args)
            proven = True
            return result

        return call
