"""Results on disk: one folder per run, written by that run alone; every table is derived.

    <out>/<preset>/runs/<dataset>/<label>/seed<k>/
        settings.json    what was run, and its fingerprint
        provenance.json  commit, versions, hardware, start, wall time, status, hashes of the others
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
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmark.core.errors import UserError, storage
from benchmark.core.files import refuse_links, remove_parts, write_json, write_text
from benchmark.core.run import Run
from benchmark.store import checkpoints, sealed
from benchmark.store.code import code_version
from benchmark.store.lock import locked
from benchmark.store.sealed import FINISHED


class RunFolder:
    """One run's folder. code: the version of what decides its numbers, by default today's. Raises
    UserError where a link would lead elsewhere.
    """

    def __init__(self, out: Path, run: Run, code: str | None = None) -> None:
        self.path = out / run.folder / "runs" / run.dataset / run.label / f"seed{run.seed}"
        refuse_links(self.path, sealed.BELOW)
        self.run = run
        self.code = code_version(run.module, run.source) if code is None else code
        self.fingerprint = run.fingerprint(self.code)
        self.checkpoint = self.path / "checkpoint.pt"
        self.error = self.path / "error.txt"

    def matches(self) -> bool:
        """Whether what lies here came from the same settings and code."""
        found = sealed.settings(self.path, sealed.provenance(self.path))
        return found.get("fingerprint") == self.fingerprint

    def finished(self) -> bool:
        """Whether there is nothing left to do. Raises UserError on a damaged run."""
        found = sealed.read(self.path) if self.matches() else None
        return found is not None and found.provenance["status"] in FINISHED

    def status(self) -> str:
        """How the run ended; empty while it has not."""
        return sealed.provenance(self.path).get("status", "")

    def lock(self) -> AbstractContextManager[None]:
        """The right to write here. Raises ``lock.Held``, which names who has it."""
        return locked(self.path.with_name(f".{self.path.name}.lock"))

    def open(self, force: bool = False) -> None:
        """Make the folder ready: keep what can be continued, set anything else aside."""
        if self.path.exists() and (force or not self.matches()):
            old = self._known_as()
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

    def _known_as(self) -> str:
        """The fingerprint of what lies here."""
        try:
            return sealed.settings(self.path, {}).get("fingerprint") or "unknown"
        except UserError:
            return "damaged"

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
        """Replace provenance.json, sealed: the last file of a run that ends."""
        write_json(self.path / "provenance.json", sealed.seal(self.path, value))


def run_folders(out: Path, preset: str) -> list[Path]:
    """Folders of runs of a preset with a recorded status, in a fixed order; superseded ones are not
    among them. Raises UserError as ``seed_folders`` does.
    """
    return [p for p in seed_folders(out, preset) if os.path.lexists(p / sealed.RECORD)]


def seed_folders(out: Path, preset: str) -> list[Path]:
    """Folders of runs of a preset, begun or ended, in a fixed order. Raises UserError on links, and
    on names that no output could show.
    """
    runs = out / preset / "runs"
    refuse_links(runs, 2)
    labels = [label for dataset in _folders(runs) for label in _folders(dataset)]
    found = [p for label in labels for p in _folders(label) if sealed.SEED.fullmatch(p.name)]
    return sorted(found, key=lambda p: (p.parts[:-1], int(p.name.removeprefix("seed"))))


def _folders(path: Path) -> list[Path]:
    """The folders in one; none where there is none."""
    if not path.is_dir():
        return []
    with storage(path), os.scandir(path) as entries:
        found = [Path(entry.path) for entry in entries if entry.is_dir() or entry.is_symlink()]
    for folder in found:
        refuse_links(folder)
        try:
            folder.name.encode()
        except UnicodeEncodeError:
            raise UserError(f"{folder}: its name is no UTF-8; rename or remove it") from None
    return found
