"""Results on disk: one folder per run, written by that run alone; every table is derived.

    <out>/<preset>/runs/<dataset>/<label>/seed<k>/
        settings.json    what was run, and its fingerprint
        provenance.json  commit, versions, hardware, start, wall time, status
        metrics.csv      step, seconds, metric, value
        generator.safetensors  with --keep-generator: what the players learned
        samples.npz      density counts and a few samples of the final generator
        error.txt        only where the method raised, until it is run again: the traceback
        checkpoint*.pt   only while unfinished: the last and the one before it

Files appear whole: written aside, flushed, renamed. Whoever writes holds the run's lock, a hidden
file beside its folder.
"""

from __future__ import annotations

import csv
import io
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmark.core.errors import storage
from benchmark.core.files import read_json, remove_parts, write_json, write_text
from benchmark.core.run import Run
from benchmark.store import checkpoints
from benchmark.store.code import code_version
from benchmark.store.lock import locked

FINISHED = ("complete", "diverged")


class RunFolder:
    """One run's folder. code: the version of what decides its numbers, by default today's."""

    def __init__(self, out: Path, run: Run, code: str | None = None) -> None:
        self.path = out / run.folder / "runs" / run.dataset / run.label / f"seed{run.seed}"
        self.run = run
        self.code = code_version(run.module, run.source) if code is None else code
        self.fingerprint = run.fingerprint(self.code)
        self.checkpoint = self.path / "checkpoint.pt"
        self.error = self.path / "error.txt"

    def matches(self) -> bool:
        """Whether what lies here came from the same settings and code."""
        return read_json(self.path / "settings.json").get("fingerprint") == self.fingerprint

    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.matches() and self.status() in FINISHED

    def status(self) -> str:
        """How the run ended; empty while it has not."""
        return read_json(self.path / "provenance.json").get("status", "")

    def lock(self) -> AbstractContextManager[None]:
        """The right to write here. Raises ``lock.Held``, which names who has it."""
        return locked(self.path.with_name(f".{self.path.name}.lock"))

    def open(self, force: bool = False) -> None:
        """Make the folder ready: keep what can be continued, set anything else aside."""
        if self.path.exists() and (force or not self.matches()):
            old = read_json(self.path / "settings.json").get("fingerprint", "unknown")
            aside = self.path.with_name(f"{self.path.name}.{old}")
            for number in range(1, 1000):
                if not aside.exists():
                    break
                aside = self.path.with_name(f"{self.path.name}.{old}.{number}")
            with storage(self.path):
                self.path.rename(aside)
        remove_parts(self.path)
        with storage(self.error):
            self.error.unlink(missing_ok=True)
        record = self.run.identity() | {"code": self.code, "fingerprint": self.fingerprint}
        write_json(self.path / "settings.json", record)

    def save_checkpoint(self, value: dict[str, Any]) -> None:
        """Replace the checkpoint, keeping the one before it."""
        checkpoints.save(self.checkpoint, value)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last undamaged checkpoint, or None."""
        return checkpoints.load(self.checkpoint)

    def remove_checkpoints(self) -> None:
        """The run is finished."""
        checkpoints.remove(self.checkpoint)

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Rows of step, seconds, metric, value."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["step", "seconds", "metric", "value"])
        for r in rows:
            table.writerow([r["step"], f"{r['seconds']:.3f}", r["metric"], repr(r["value"])])
        write_text(self.path / "metrics.csv", text.getvalue())

    def write_error(self, text: str) -> None:
        """Replace error.txt."""
        write_text(self.error, text)

    def write_provenance(self, value: dict[str, Any]) -> None:
        """Replace provenance.json."""
        write_json(self.path / "provenance.json", value)


def run_folders(out: Path, preset: str) -> list[Path]:
    """Folders of runs of a preset with a recorded status, in a fixed order; superseded ones are not
    among them.
    """
    found = (out / preset / "runs").glob("*/*/seed*/provenance.json")
    kept = [p.parent for p in found if p.parent.name.removeprefix("seed").isdigit()]
    return sorted(kept, key=lambda p: (p.parts[:-1], int(p.name.removeprefix("seed"))))
