"""Files of a user's own: one with a ``build`` adds a method, one with a ``load`` data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from benchmark.core.errors import UserError, shortened, unknown
from benchmark.core.modules import is_file, load_module
from benchmark.data import DATASETS, Entry
from methods import REGISTRY

LIKE = "ring"  # whose budgets data take that name no others


class Known(NamedTuple):
    """What may be named: modules of methods, and data."""

    modules: dict[str, str]
    data: dict[str, Entry]


def known(paths: Iterable[str]) -> Known:
    """What is shipped, and what plugins add. Raises UserError on a file that adds nothing, cannot
    be imported or has the name of something else.
    """
    found = Known(dict(REGISTRY), dict(DATASETS))
    for path in paths:
        name = Path(path).stem
        if not is_file(path):
            raise UserError(f"--plugin {shortened(path)}: no such file")
        if not re.fullmatch(r"[A-Za-z_]\w{0,59}\.py", Path(path).name, re.ASCII):
            raise UserError(f"--plugin {path}: must be a Python file named like a module")
        if name in found.modules or name in found.data:
            raise UserError(f"--plugin {path}: {name!r} is taken; rename the file")
        _add(found, name, str(Path(path).resolve()))
    return found


def _add(found: Known, name: str, path: str) -> None:
    module = load_module(path)
    if not (hasattr(module, "build") or hasattr(module, "load")):
        raise UserError(f"plugin {path}: no function build(spec, cfg) or load(device) in it")
    if hasattr(module, "build"):
        found.modules[name] = path
    if hasattr(module, "load"):
        like = getattr(module, "like", LIKE)
        if like not in DATASETS:
            raise UserError(f"plugin {path}: {unknown('data in like', like, DATASETS)}")
        title = (module.__doc__ or name).strip().splitlines()[0]
        found.data[name] = Entry(path, "plane", title, like=like)
