"""Files that appear whole: written aside, flushed, renamed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.core.errors import UserError, storage

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
