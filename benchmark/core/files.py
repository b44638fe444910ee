"""Files that appear whole: written aside, flushed, renamed."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.core.errors import StorageError, UserError, storage

PART = ".part"  # ends the names of files being written
LARGEST = 2 * 10**9  # bytes of a file of a run; the largest known have 10 MB
LARGEST_NUMBER = 1e300  # in a file of a run
DEEPEST = 20  # lists and objects within each other


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
        name = path.with_name(f".{path.name}.{secrets.token_hex(8)}{PART}")
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # less the umask
        try:
            with os.fdopen(handle, "wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
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
    content = read_plain(path)
    return {} if content is None else json_object(path, content)


def json_object(path: Path, content: bytes) -> dict[str, Any]:
    """The object that a JSON file holds. Raises UserError where it holds none, or what no output
    could show: numbers without end, lone surrogates, endless nesting.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not _plain(value):
        raise damaged(path, "it holds no plain JSON object")
    return value


def _plain(value: Any, depth: int = DEEPEST) -> bool:
    if isinstance(value, dict | list):
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        return depth > 0 and all(_plain(part, depth - 1) for part in parts)
    if isinstance(value, str):
        return not any("\ud800" <= c <= "\udfff" for c in value)
    return isinstance(value, bool | None) or abs(value) <= LARGEST_NUMBER


def read_plain(path: Path) -> bytes | None:
    """A regular file's bytes; None where there is none. Raises UserError on a link, a folder, a
    pipe or more than LARGEST bytes, and StorageError where it cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            raise damaged(path, "it is no regular file") from None
        raise StorageError(path, error.strerror) from None
    with storage(path):
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
                raise damaged(path, "it is no regular file of a sensible size")
            with os.fdopen(handle, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(handle)


def damaged(path: Path, why: str) -> UserError:
    """The error for a file of a run that is not what the run wrote."""
    return UserError(
        f"{path}: damaged ({why}); delete its folder, or add --force, and the same command trains "
        "it again"
    )


def refuse_links(path: Path, levels: int = 1) -> None:
    """Raises UserError where the last ``levels`` parts of a path lead elsewhere."""
    for place in (path, *path.parents)[:levels]:
        if place.is_symlink():
            raise UserError(
                f"{place}: is a link, and nothing of results is read or written through one; "
                "replace it by what it stands for"
            )
