"""Modules by name or by file: all that is imported without an import statement."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

from pydantic import BaseModel

from benchmark.core.errors import UserError, first_line
from methods import REGISTRY

plugins: list[str] = []  # that this process has begun to import


def is_file(path: str) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    try:
        return Path(path).is_file()
    except OSError:
        return False


def is_plugin(name: str) -> bool:
    """Whether a method's module is not this project's."""
    return name not in REGISTRY.values()


@cache
def load_module(name: str) -> ModuleType:
    """A method's module, by importable name or by file (a plugin). What a plugin changes of the
    environment at its import is undone, since workers inherit it.
    """
    if not is_plugin(name):
        return importlib.import_module(name)
    plugins.append(name)
    environment = dict(os.environ)
    spec = importlib.util.spec_from_file_location(Path(name).stem, name)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UserError(f"plugin {name}: {first_line(error)}") from error
    finally:
        if os.environ != environment:
            os.environ.clear()
            os.environ.update(environment)
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
