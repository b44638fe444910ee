"""Samples of a run, from a file that may be damaged or larger than it looks."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from benchmark.core.errors import first_line
from benchmark.core.files import damaged

LARGEST = 100 * 10**6  # bytes of all arrays, unpacked; a hundred images and their like have 3 MB


def unpacked(path: Path, content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a samples.npz. Raises UserError where it is damaged, or larger than LARGEST."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST:
            raise ValueError(f"it unpacks to {size:,} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError, MemoryError,
            zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        raise damaged(path, first_line(error)) from None
