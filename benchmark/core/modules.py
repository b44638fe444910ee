"""Modules by name or by file: all that is imported without an import statement.

A plugin is a file anywhere. It and the modules beside it are known by their plain names, as in a
script: what compiles a function looks up its module by name.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import BaseModel

from benchmark.core.errors import UserError, first_line
from benchmark.core.paths import ROOT

plugins: set[str] = set()  # files that this process has begun to import
_plugins: set[str] = set()  # names that these and the modules beside them go by


def is_file(path: str) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    try:
        return Path(path).is_file()
    except OSError:
        return False


def is_plugin(name: str) -> bool:
    """Whether a module is named by its file."""
    return name.endswith(".py")


def path_of(name: str) -> Path | None:
    """File of an importable name of this project, or of a plugin; None for anything else."""
    if is_plugin(name):
        return Path(name)
    stem = ROOT.joinpath(*name.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def load_module(name: str) -> ModuleType:
    """A method's or a dataset's module, by importable name or by file (a plugin). Raises UserError
    where a plugin cannot be imported. What it changes of the environment at its import is undone,
    since workers inherit it.
    """
    if not is_plugin(name):
        return importlib.import_module(name)
    plugins.add(name)
    modules = _load(Path(name))
    sys.modules.update(modules)  # another plugin's may have had these names since
    return modules[Path(name).stem]


@cache
def _load(path: Path) -> dict[str, ModuleType]:
    """A plugin and what it imports from beside it, by name, executed once a process."""
    folder, environment = str(path.parent), dict(os.environ)
    try:
        own = {path.stem: path} | beside(path)
        for name, file in own.items():
            if _taken(name, file):
                raise UserError(f"{file.name} has the name of another module; rename it")
            sys.modules.pop(name, None)
        _plugins.update(own)
        importlib.invalidate_caches()
        sys.path.insert(0, folder)
        try:
            # All at once: an import within a function comes when the folder is not at hand.
            return {name: importlib.import_module(name) for name in own}
        finally:
            sys.path.remove(folder)
    except (Exception, SystemExit) as error:
        told = error if isinstance(error, UserError) else first_line(error)
        raise UserError(f"plugin {path}: {told}") from error
    finally:
        if os.environ != environment:
            os.environ.clear()
            os.environ.update(environment)


def _taken(name: str, file: Path) -> bool:
    """Whether other code than a plugin's is, or would be, imported by that name."""
    if name in _plugins:
        return False
    if name in sys.modules:
        return True
    found = importlib.util.find_spec(name)
    origin = Path(found.origin) if found and found.has_location else None
    return bool(found) and (origin is None or origin.parent not in (file.parent, Path.cwd()))


def beside(plugin: Path) -> dict[str, Path]:
    """The modules in a plugin's folder that it imports, and they in turn, by name."""
    found: dict[str, Path] = {}
    todo = [plugin]
    while todo:
        for name in imported(ast.parse(todo.pop().read_text())):
            path = plugin.parent / f"{name}.py"
            if name not in found and path.is_file() and path != plugin:
                found[name] = path
                todo.append(path)
    return found


def imported(tree: ast.Module) -> list[str]:
    """Every name that a module's import statements may mean by a module."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return names


def came_later(cls: type[BaseModel], name: str, value: Any) -> bool:
    """Whether a setting came after runs had been made without it (``methods.base.later``), and has
    its default.
    """
    field = cls.model_fields[name]
    return bool((field.json_schema_extra or {}).get("later")) and value == field.default


def config_class(module: ModuleType) -> type[BaseModel]:
    """The settings class a method's ``build(spec, cfg)`` declares for its second parameter."""
    if not inspect.isfunction(getattr(module, "build", None)):
        raise UserError(f"plugin {module.__file__}: no function build(spec, cfg) in it")
    try:
        cls = get_type_hints(module.build).get("cfg")
    except NameError as error:
        raise UserError(f"{module.__name__}: {error}") from None
    if not (inspect.isclass(cls) and issubclass(cls, BaseModel)):
        raise UserError(f"{module.__name__}: annotate build's cfg with a MethodConfig subclass")
    return cls
