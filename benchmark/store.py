"""Results on disk: one folder per run, written by that run alone; every table is derived.

    <out>/<preset>/runs/<dataset>/<label>/seed<k>/
        settings.json    what was run, and its fingerprint
        provenance.json  commit, versions, hardware, start, wall time, status
        metrics.csv      step, seconds, metric, value
        samples.npz      density counts and a few samples of the final generator
        checkpoint.pt    only while unfinished

Files appear whole: written aside, flushed, renamed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.config import Run

FINISHED = ("complete", "diverged")


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[io.BufferedWriter]:
    """A binary file that replaces ``path`` once it is written completely, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically."""
    with replaced(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file atomically; keys sorted, so equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file's object; empty where there is no file."""
    return json.loads(path.read_text()) if path.is_file() else {}


class RunFolder:
    """One run's folder."""

    def __init__(self, out: Path, run: Run, code: str) -> None:
        self.path = out / run.folder / "runs" / run.dataset / run.label / f"seed{run.seed}"
        self.run = run
        self.code = code
        self.fingerprint = run.fingerprint(code)
        self.checkpoint = self.path / "checkpoint.pt"

    def matches(self) -> bool:
        """Whether what lies here came from the same settings and code."""
        return read_json(self.path / "settings.json").get("fingerprint") == self.fingerprint

    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.matches() and self.status() in FINISHED

    def status(self) -> str:
        """How the run ended; empty while it has not."""
        return read_json(self.path / "provenance.json").get("status", "")

    def open(self, force: bool = False) -> None:
        """Make the folder ready: keep what can be continued, set anything else aside."""
        if self.path.exists() and (force or not self.matches()):
            old = read_json(self.path / "settings.json").get("fingerprint", "unknown")
            aside = self.path.with_name(f"{self.path.name}.{old}")
            for number in range(1, 1000):
                if not aside.exists():
                    break
                aside = self.path.with_name(f"{self.path.name}.{old}.{number}")
            self.path.rename(aside)
        record = self.run.identity() | {"code": self.code, "fingerprint": self.fingerprint}
        write_json(self.path / "settings.json", record)

    def save_checkpoint(self, value: dict[str, Any]) -> None:
        """Tensors and plain types only, so that it loads with ``weights_only=True``."""
        import torch

        with replaced(self.checkpoint) as file:
            torch.save(value, file)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last checkpoint, or None."""
        import torch

        if not self.checkpoint.is_file():
            return None
        return torch.load(self.checkpoint, weights_only=True, map_location="cpu")

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Rows of step, seconds, metric, value."""
        lines = ["step,seconds,metric,value"]
        lines += [f"{r['step']},{r['seconds']:.3f},{r['metric']},{r['value']!r}" for r in rows]
        write_text(self.path / "metrics.csv", "\n".join(lines) + "\n")

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
