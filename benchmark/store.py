"""Results on disk: one folder per run, written by that run alone; every table is derived.

    <out>/<preset>/runs/<dataset>/<label>/seed<k>/
        settings.json    what was run, and its fingerprint
        provenance.json  commit, versions, hardware, start, wall time, status
        metrics.csv      step, seconds, metric, value
        samples.npz      density counts and a few samples of the final generator
        checkpoint*.pt   only while unfinished: the last and the one before it

Files appear whole: written aside, flushed, renamed. Whoever writes holds the run's lock, a hidden
file beside its folder.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmark.config import Run
from benchmark.errors import UserError, storage

FINISHED = ("complete", "diverged")
PART = ".part"  # ends the names of files being written


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[io.BytesIO]:
    """A binary file that replaces ``path`` once it is written completely, or not at all."""
    buffer = io.BytesIO()
    yield buffer
    write_bytes(path, buffer.getbuffer())


def write_bytes(path: Path, *parts: bytes | memoryview, keep: Path | None = None) -> None:
    """Replace a file atomically; the old one is kept as ``keep`` where that is given.

    Raises StorageError where any step fails; the old file is then untouched, or is ``keep``.
    """
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
        try:
            with os.fdopen(handle, "wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            if keep and path.exists():
                os.replace(path, keep)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make renames in it survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_parts(folder: Path) -> None:
    """Delete what writers that were killed have left half written; for the lock's holder."""
    for path in folder.glob(f".*{PART}"):
        with storage(path):
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file atomically; keys sorted, so equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file's object; empty where there is no file. Raises UserError on a damaged one."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UserError(f"{path}: damaged; delete its folder and the same command trains it again")
    return value


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

    def lock(self) -> AbstractContextManager[None]:
        """The right to write here. Raises ``lock.Held``, which names who has it."""
        from benchmark.lock import locked

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
        record = self.run.identity() | {"code": self.code, "fingerprint": self.fingerprint}
        write_json(self.path / "settings.json", record)

    def save_checkpoint(self, value: dict[str, Any]) -> None:
        """Replace the checkpoint, keeping the one before it."""
        from benchmark import checkpoints

        checkpoints.save(self.checkpoint, value)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last undamaged checkpoint, or None."""
        from benchmark import checkpoints

        return checkpoints.load(self.checkpoint)

    def remove_checkpoints(self) -> None:
        """The run is finished."""
        from benchmark import checkpoints

        checkpoints.remove(self.checkpoint)

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Rows of step, seconds, metric, value."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["step", "seconds", "metric", "value"])
        for r in rows:
            table.writerow([r["step"], f"{r['seconds']:.3f}", r["metric"], repr(r["value"])])
        write_text(self.path / "metrics.csv", text.getvalue())

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
