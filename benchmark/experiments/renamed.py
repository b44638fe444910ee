"""Results of before presets and experiments had their present names."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmark.core.errors import storage
from benchmark.experiments.presets import experiments, scales


def migrate(out: Path, preset: str) -> None:
    """Rename a preset's folder, and its experiments' folders, from the names they had, and say so;
    nothing where the present ones are there. Raises StorageError.
    """
    was = scales()[preset].was if preset in scales() else ""
    if was and (out / was / "runs").is_dir():
        _rename(out / was, out / preset)
    for name, entry in experiments().items():
        old = out / preset / "runs" / entry.was
        if entry.was and preset in entry.at and old.is_dir():
            _rename(old, old.with_name(name))


def _rename(old: Path, new: Path) -> None:
    if new.exists():
        return
    with storage(old):
        old.rename(new)
    print(f"{old} is called {new.name} now, and was renamed", file=sys.stderr)
