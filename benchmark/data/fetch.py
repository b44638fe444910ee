"""Where data files lie, and how they get there: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmark.core.errors import UserError, first_line
from benchmark.core.paths import DATA

OFFLINE = "LBT_BENCH_OFFLINE"  # environment variable: set and not empty, nothing is downloaded
_root: Path | None = None
_offline = False
PATIENCE = 60.0  # seconds that a server may be silent


def configure(root: Path | None = None, offline: bool = False) -> None:
    """Choose for this process where data lie and whether the network is left alone; by default the
    environment decides.
    """
    global _root, _offline
    _root, _offline = root, offline


def data_root() -> Path:
    """Where data lie: as configured, else ``DATA_ROOT``, else ``data/`` in the present folder."""
    return _root or Path(os.environ.get("DATA_ROOT") or DATA)


@contextlib.contextmanager
def aside(what: str, folder: Path, lacks: str, advice: str) -> Iterator[Path]:
    """A folder inside ``folder`` to download into, gone afterwards; what is to be kept is moved out
    of it.

    Raises UserError where anything fails inside, or nothing may be downloaded: what of, that
    ``folder`` lacks something, why, and the advice.
    """
    missing = f"{what}: {folder} lacks {lacks}"
    if _offline or os.environ.get(OFFLINE):
        raise UserError(f"{missing}, and offline nothing is downloaded; {advice}")
    silence = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as inside:
            yield Path(inside)
    except Exception as error:  # whatever a network or a server comes up with
        reason = first_line(error)
        raise UserError(f"{missing}, and downloading failed ({reason}); {advice}") from None
    finally:
        socket.setdefaulttimeout(silence)
