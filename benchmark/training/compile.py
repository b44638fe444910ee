"""torch.compile where it pays, plain execution elsewhere, never a failure; and which it was.

Compiled kernels are cached on disk by torch itself, so the cost is about half a minute once per
machine and a few seconds per process after that. Whether the processor's full vector width is used
depends on a file in that cache too: where that is damaged, kernels are narrower and their results
others, which torch does not say.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable

import torch
from torch._inductor.runtime.cache_dir_utils import cache_dir

from benchmark.core.errors import Refused, first_line
from benchmark.store import provenance
from methods import kernels

# On a GPU, contractions up to NARROW are sums, which fuse with what is around them; those from LONG
# on, with few results, are cut into PARTS.
NARROW, LONG, PARTS = 4, 256, 8
WRITING = 5.0  # seconds after which another process has written the kernel that both build
MIXED = "mixed"  # engine of a run whose steps were not all made by one
WIDEST = {"AVX512": "VecAVX512", "AVX2": "VecAVX2"}  # torch's capability -> its compiler's


class Jit:
    """A function transformer for ``Spec.jit``: compiles, or falls back with one warning.

    stacked: the functions will be called under ``vmap``, whose inside the compiler cannot see; they
        are then compiled with the seed axis in them.
    mixing: whether a run may go on that another engine has begun.
    enabled: whether functions are compiled; no longer, once one could not be.
    """

    def __init__(self, enabled: bool = True, stacked: bool = False, mixing: bool = False) -> None:
        self.enabled = enabled
        self.stacked, self.mixing = stacked, mixing
        self._proven = False  # whether anything compiled has run
        if enabled:
            os.environ.setdefault("TORCHINDUCTOR_FX_GRAPH_CACHE", "1")
            # It would trace back, and compile again what it cannot read.
            logging.getLogger("torch._inductor.codecache").setLevel(logging.ERROR)
            torch.compiler.reset()  # earlier methods' entries would count against its cache limit

    @property
    def active(self) -> bool:
        """Whether compiled code is in use: not where nothing asked for it."""
        return self.enabled and self._proven

    @property
    def engine(self) -> str:
        """What functions run on that ask for it: compiled or eager code, or MIXED, where a later
        one failed to compile.
        """
        if self.enabled:
            return "compiled"
        return MIXED if self._proven else "eager"

    def made_with(self, device: str, native: bool = False) -> dict[str, str | int | bool]:
        """What decides the last bits of a step besides the code. native: whether kernels do part of
        it; their width is in bits, as is that of compiled code. Of the latter nothing is told until
        some has run. Raises Refused where the compile cache is damaged.
        """
        record = provenance.machine(device)
        found = {name: record[name] for name in ("torch", "tf32", "mkl_full_width")}
        if device == "cpu":
            found["cpu_capability"] = torch.backends.cpu.get_cpu_capability()
        if self._proven:
            found["compiled"] = True
        if self._proven and device == "cpu":
            found["vector_width"] = _vector_width()
        if not native or self.engine == MIXED:
            return found | {"engine": self.engine}
        found["kernel_width"] = 32 * kernels.library().lbt_width()
        return found | {"compiler": "on" if self.enabled else "off", "engine": "native"}

    def __call__(self, fn: Callable) -> Callable:
        if not self.enabled:
            return fn
        return _under_vmap(fn, self._compiled) if self.stacked else self._compiled(fn)

    def _compiled(self, fn: Callable) -> Callable:
        # The C++ wrapper saves the interpreter's share of a small graph, 12 % of an update.
        options = None if torch.cuda.is_available() else {"cpp_wrapper": True}
        compiled = torch.compile(fn, fullgraph=True, dynamic=False, options=options)
        proven = False

        def call(*args):
            nonlocal proven
            if proven:
                return compiled(*args)
            if not self.enabled:
                return fn(*args)
            try:
                result = _once_more(compiled, args)
            except Exception as error:
                reason = first_line(_cause(error))
                print(
                    f"warning: not compiling, running eagerly: {reason} (compile cache: "
                    f"{cache_dir()}; delete it where it is damaged)",
                    file=sys.stderr,
                )
                self.enabled = False
                return fn(*args)
            proven = self._proven = True
            return result

        return call


def _once_more(compiled: Callable, args: tuple):
    """The result; tried twice where a kernel does not load, since another process may just be
    writing it.
    """
    try:
        return compiled(*args)
    except Exception as error:
        if not isinstance(_cause(error), ImportError):
            raise
    time.sleep(WRITING)
    return compiled(*args)


def _cause(error: Exception) -> Exception:
    return getattr(error, "inner_exception", error)


def _vector_width() -> int:
    """Of the kernels that this process compiles, in bits. Raises Refused where the processor and
    its compiler have a wider one than the compile cache says.
    """
    from torch._inductor import cpu_vec_isa

    width = cpu_vec_isa.pick_vec_isa().bit_width()
    widest = WIDEST.get(torch.backends.cpu.get_cpu_capability())
    if widest and width < getattr(cpu_vec_isa, widest)().bit_width():
        folder = cache_dir()
        with tempfile.TemporaryDirectory() as fresh:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = fresh
            try:
                possible = getattr(cpu_vec_isa, widest)().check_build(cpu_vec_isa.VecISA._avx_code)
            finally:
                os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        if possible:
            raise Refused(f"the compile cache {folder} is damaged; delete it and go on")
    return width


def _under_vmap(fn: Callable, compiled: Callable[[Callable], Callable]) -> Callable:
    """``fn`` of trees of tensors as one opaque operation whose batching rule is ``vmap(fn)``,
    compiled.
    """
    from torch.fx.experimental.proxy_tensor import make_fx
    from torch.utils import _pytree as pytree

    batched: dict[tuple, Callable] = {}
    shape = None  # of the last result's tree

    class Piece(torch.autograd.Function):
        @staticmethod
        def forward(structure, *leaves):
            return flatten(fn(*pytree.tree_unflatten(leaves, structure)))

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def vmap(info, in_dims, structure, *leaves):
            dims = in_dims[1:]
            leaves = [
                v if d is None else v.movedim(d, 0) for v, d in zip(leaves, dims, strict=True)
            ]
            at = tuple(None if d is None else 0 for d in dims)
            if at not in batched:
                # Traced to plain operations first: the compiler's own tracing fails on jvp in vmap.
                whole = torch.func.vmap(lambda *v: fn(*pytree.tree_unflatten(v, structure)), at)
                products = {torch.ops.aten.bmm.default: product} if leaves[0].is_cuda else {}
                batched[at] = compiled(make_fx(whole, products)(*leaves))
            out = flatten(batched[at](*leaves))
            return out, (0,) * len(out)

    def flatten(tree) -> tuple:
        nonlocal shape
        leaves, shape = pytree.tree_flatten(tree)
        return tuple(leaves)

    def call(*args):
        leaves, structure = pytree.tree_flatten(args)
        out = Piece.apply(structure, *leaves)
        return pytree.tree_unflatten(out, shape)

    return call


def product(a, b):
    """``bmm`` of (S, m, k) and (S, k, n) for a GPU, where that is better done otherwise, else
    NotImplemented.

    The products of small networks have so few results that what counts is how long one takes. A
    gradient in a weight sums over the batch, row after row; cut into parts, these run side by side.
    """
    (_, m, k), n = a.shape, b.shape[-1]
    if k <= NARROW:
        return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)
    if k >= max(LONG, 2 * m, 2 * n) and k % PARTS == 0:
        a = a.unflatten(2, (PARTS, k // PARTS)).transpose(1, 2).flatten(0, 1)
        b = b.unflatten(1, (PARTS, k // PARTS)).flatten(0, 1)
        return a.bmm(b).unflatten(0, (-1, PARTS)).sum(1)
    return NotImplemented
