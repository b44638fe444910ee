"""Modules by name or by file: all that is imported without an import statement."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

from pydantic import BaseModel

from benchmark.core.errors import UserError, first_line
from methods import REGISTRY


def is_file(path: str) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    try:
        return Path(path).is_file()
    except OSError:
        return False


@cache
def load_module(name: str) -> ModuleType:
    """A method's module, by importable name or by file (a plugin)."""
    if name in REGISTRY.values():
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(Path(name).stem, name)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UserError(f"plugin {name}: {first_line(error)}") from error
    if not inspect.isfunction(getattr(module, "build", None)):
        raise UserError(f"plugin {name}: no function build(spec, cfg) in it")
    return module


def config_class(module: ModuleType) -> type[BaseModel]:
    """The settings class a method's ``build(spec, cfg)`` declares for its second parameter."""
    try:
        cls = get_type_hints(module.build).get("cfg")
    except NameError as error:
        raise UserError(f"{module.__name__}: {error}") from None
    if not (inspect.isclass(cls) and issubclass(cls, BaseModel)):
        raise UserError(f"{module.__name__}: annotate build's cfg with a MethodConfig subclass")
    return cls
