"""Advancing the seeds of one method together: stacked by ``vmap``, replayed as a CUDA graph.

A 2D run does not fill a GPU; it waits for kernel launches. There the seeds of one (method, dataset)
share every launch, on a leading axis S, and a whole iteration is one graph replay over fixed
buffers. On a CPU stacking costs more than it saves (docs/ENGINE.md); the path is the same, without
the graph. A single seed runs without the axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.func import vmap
from torch.utils import _pytree as pytree

from methods.base import Batch, Logs, Method, State

WARM_UP = 3  # iterations before capture: lazy initialisation must not be recorded


def stack(trees: Sequence[dict]) -> dict:
    """Equal trees of tensors as one, with a leading axis S; a single tree stays as it is."""
    if len(trees) == 1:
        return trees[0]
    return pytree.tree_map(lambda *leaves: torch.stack(leaves), *trees)


class Engine:
    """S runs of one method, from their states.

    done: iterations they have behind them, which decides about the method's warm-up.
    """

    def __init__(self, method: Method, states: Sequence[State], device: str, done: int = 0) -> None:
        self._method = method
        self._stacked = len(states) > 1
        self._state = stack(states)
        self._done = done
        self._graphs: dict[bool, _Graph] = {}
        self._capture = device == "cuda"

    def advance(self, batches: Sequence[Batch]) -> Logs:
        """One iteration of every run. batches: one a run. Returns its logs, each (S,)."""
        early = self._method.warm_up is not None and self._done < self._method.warm_up.steps
        step = self._method.warm_up.step if early else self._method.step
        step = vmap(step) if self._stacked else step
        self._done += 1
        if self._capture:
            if early not in self._graphs:
                self._graphs[early] = _Graph(step, self._state, stack(batches))
                self._state = self._graphs[early].state
            logs = self._graphs[early](batches)
        else:
            self._state, logs = step(self._state, stack(batches))
        return logs if self._stacked else {name: value[None] for name, value in logs.items()}

    def state(self, i: int) -> State:
        """State of run i."""
        if not self._stacked:
            return self._state
        return pytree.tree_map(lambda leaf: leaf[i], self._state)


class _Graph:
    """One iteration as a CUDA graph over fixed buffers, which a replay updates in place."""

    def __init__(self, step: Callable, state: State, batch: Batch) -> None:
        self.state = pytree.tree_map(torch.clone, state)
        self._batch = pytree.tree_map(torch.clone, batch)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                step(self.state, self._batch)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            new, self._logs = step(self.state, self._batch)
            _copy(new, self.state)

    def __call__(self, batches: Sequence[Batch]) -> Logs:
        if len(batches) == 1:
            _copy(batches[0], self._batch)
        else:
            for i, batch in enumerate(batches):
                _copy(batch, {name: value[i] for name, value in self._batch.items()})
        self._graph.replay()
        return self._logs


def _copy(source: dict, target: dict) -> None:
    pytree.tree_map(lambda old, new: old.copy_(new), target, source)
