"""One run among those trained together: what is its own, besides its place in the stack."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from torch import Tensor

from benchmark.core.errors import Refused
from benchmark.core.files import replaced
from benchmark.core.run import Run
from benchmark.store.folder import RunFolder
from benchmark.training.compile import MIXED
from methods.base import State


class Lane:
    """status: empty while in training. state: only until training starts; then the engine has it.
    logs: of the last step, where it was saved. train_seconds: without evaluation, checkpoints and
    compilation. made: what its steps were made with (``Jit.made_with``), empty before the first.
    """

    def __init__(self, run: Run, folder: RunFolder) -> None:
        self.run, self.folder = run, folder
        self.step, self.status = 0, ""
        self.state: State | None = None
        self.rows: list[dict[str, Any]] = []
        self.logs: dict[str, float] = {}
        self.train_seconds = 0.0
        self.made: dict[str, Any] = {}
        self._made_before: dict[str, Any] = {}
        self.started = datetime.now(UTC).isoformat(timespec="seconds")

    def resume(self, device: str) -> None:
        """Go on from the checkpoint, if there is one of that device."""
        saved = self.folder.load_checkpoint()
        if saved is None or saved["device"] != device:
            return
        self.step, self.rows, self.state = saved["step"], saved["rows"], saved["state"]
        self.logs = saved["logs"]
        if saved["engine"]:
            self.made = self._made_before = saved["made"] | {"engine": saved["engine"]}
        self.train_seconds, self.started = saved["train_seconds"], saved["started"]

    def agree(self, now: dict[str, Any], mixing: bool) -> None:
        """Note what the last step was made with. Where those before the checkpoint were made with
        something else, that is mixed, if it may be; raises Refused otherwise.
        """
        was = self._made_before
        unlike = [k for k in now if k in was and was[k] != now[k]]
        if not unlike:
            self.made = was | now
        elif mixing or was["engine"] == MIXED:
            self.made = was | now | {"engine": MIXED}
        else:
            name = unlike[-1]
            words = name.replace("_", " ")
            raise Refused(
                f"its checkpoint was made with {words} {was[name]}, and this is {now[name]}; "
                "--mixed-engines goes on and records that, --force begins anew"
            )

    def save(self, state: State, logs: dict[str, float], device: str) -> None:
        """Write a checkpoint."""
        self.folder.save_checkpoint(
            {
                "step": self.step,
                "rows": self.rows,
                "logs": logs,
                "train_seconds": self.train_seconds,
                "started": self.started,
                "device": device,
                "engine": self.made.get("engine", ""),
                "made": {name: value for name, value in self.made.items() if name != "engine"},
                "state": to_device(state, "cpu"),
            }
        )

    def measured(self, values: dict[str, float]) -> list[dict[str, Any]]:
        """Values of metrics as rows, at this step."""
        return [
            {"step": self.step, "seconds": self.train_seconds, "metric": name, "value": value}
            for name, value in values.items()
        ]

    def _made_with(self) -> dict[str, Any]:
        """``made`` for the record: eager where nothing asked to be compiled."""
        engine, compiled = self.made["engine"], self.made.get("compiled", False)
        if engine == "compiled" and not compiled:
            engine = "eager"
        return self.made | {"engine": engine, "compiled": compiled and engine != MIXED}

    def finish(
        self,
        status: str,
        rows: list[dict[str, Any]],
        kept: dict[str, np.ndarray],
        record: dict[str, Any],
    ) -> None:
        """Write all that stays, and remove the checkpoints."""
        self.folder.write_metrics(rows)
        with replaced(self.folder.path / "samples.npz") as file:
            np.savez_compressed(file, **kept)
        self.folder.write_provenance(
            record
            | self._made_with()
            | {
                "started": self.started,
                "status": status,
                "steps": self.step,
                "train_seconds": round(self.train_seconds, 3),
            }
        )
        self.folder.remove_checkpoints()
        self.status = status


def to_device(state: State, device: str) -> State:
    """A copy of the state on another device (or the same tensors where they are there already)."""
    return {
        name: to_device(value, device) if isinstance(value, dict) else value.to(device)
        for name, value in state.items()
    }


def leaves(state: State) -> list[Tensor]:
    """All tensors of a state."""
    found = []
    for value in state.values():
        found += leaves(value) if isinstance(value, dict) else [value]
    return found
