"""Checkpoints that notice damage: a line with the SHA-256 of what follows, then a torch archive.

Neither torch.load nor safetensors notices a flipped bit in a tensor. Two checkpoints are kept, the
last (``checkpoint.pt``) and the one before it (``checkpoint.previous.pt``); where the last is
damaged it is set aside as ``checkpoint.damaged.pt`` and the one before it used. Loading executes
nothing (``weights_only=True``).
"""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from typing import Any

from benchmark.core.errors import first_line, storage
from benchmark.core.files import write_bytes

MAGIC = b"lbt-bench checkpoint 1 "
HEADER = len(MAGIC) + 64 + 1  # magic, SHA-256 in hexadecimal, line feed
FIELDS = {"step": int, "rows": list, "logs": dict, "train_seconds": float, "started": str,
          "device": str, "engine": str, "made": dict, "state": dict}  # fmt: skip


class Damaged(Exception):
    """The file is not what was written."""


def previous(path: Path) -> Path:
    """Where the checkpoint before the last lies."""
    return path.with_name("checkpoint.previous.pt")


def save(path: Path, value: dict[str, Any]) -> None:
    """Replace the checkpoint; the old one becomes the previous one. Tensors and plain types only.

    Raises StorageError; what was there is then still there, as the last or the previous one.
    """
    import torch

    buffer = io.BytesIO()
    torch.save(value, buffer)
    payload = buffer.getvalue()
    header = MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"
    write_bytes(path, header, payload, keep=previous(path))


def load(path: Path) -> dict[str, Any] | None:
    """The last undamaged checkpoint, or None; damaged ones are named on standard error."""
    for candidate in (path, previous(path)):
        with storage(candidate):
            content = candidate.read_bytes() if candidate.is_file() else None
        if content is None:
            continue
        try:
            return decoded(content)
        except Damaged as damage:
            aside = path.with_name("checkpoint.damaged.pt")
            print(f"{candidate}: damaged ({damage}); set aside, going on without", file=sys.stderr)
            with storage(candidate):
                candidate.replace(aside)
    return None


def decoded(content: bytes) -> dict[str, Any]:
    """What a checkpoint's bytes hold. Raises Damaged on anything that ``save`` did not write."""
    import torch

    header, payload = content[:HEADER], content[HEADER:]
    if header != MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n":
        raise Damaged("its SHA-256 differs from the recorded one")
    try:
        value = torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
    except Exception as error:
        raise Damaged(first_line(error)) from None
    if not isinstance(value, dict) or any(
        not isinstance(value.get(name), kind) for name, kind in FIELDS.items()
    ):
        raise Damaged("it holds something else than a checkpoint")
    return value


def remove(path: Path) -> None:
    """Delete both checkpoints of a run that needs them no more."""
    for candidate in (path, previous(path)):
        with storage(candidate):
            candidate.unlink(missing_ok=True)


def digest(state: dict[str, Any]) -> str:
    """SHA-256 over every tensor of a state with its name, type and shape."""
    found = hashlib.sha256()

    def add(tree: dict[str, Any], prefix: str) -> None:
        for name in sorted(tree):
            value = tree[name]
            if isinstance(value, dict):
                add(value, f"{prefix}{name}.")
                continue
            array = value.detach().cpu().contiguous().numpy()
            found.update(f"{prefix}{name} {array.dtype} {array.shape}\n".encode())
            found.update(array.tobytes())

    add(state, "")
    return found.hexdigest()
