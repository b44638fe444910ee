"""What a peer hands back, and the constants of the iteration that all of them write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from methods.lbt import LBTConfig

LATENT, VARIANCE = LBTConfig().latent, LBTConfig().variance
ETA_THETA, ETA_PHI, ETA_INNER = 1e-3, 1e-4, 3e-4
BETAS, CLIP = (0.5, 0.999), 5.0


class Stepper:
    """A step with state; ``params`` gives (theta, phi) as flat numpy arrays."""

    def __init__(self, step: Callable, state: Any, params: Callable) -> None:
        self._step, self._state, self._params = step, state, params

    def __call__(self, batch: Any) -> None:
        self._state = self._step(self._state, batch)

    def params(self) -> tuple[np.ndarray, np.ndarray]:
        return self._params(self._state)
