"""The version of the code that decides a run's numbers."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from benchmark.core.paths import ROOT

SHARED = ("benchmark.loop", "benchmark.engine", "benchmark.noise", "benchmark.datasets", "metrics")


@cache
def code_version(module: str) -> str:
    """Hash of the code that decides a method's numbers.

    Covers the method's module and everything of this project that it imports, the loop, the
    generated data, the noise and the metrics; not how image files are read and stacked. Comments,
    docstrings and layout do not count, nor do other methods, nor which file a definition stands in:
    editing those keeps finished runs valid.
    """
    seen: set[Path] = set()
    found: list[str] = []
    todo = [_path(name) for name in (module, *SHARED)]
    while todo:
        path = todo.pop()
        if path is None or path in seen:
            continue
        seen.add(path)
        tree = ast.parse(path.read_text())
        todo += [_path(name) for name in _imports(tree)]
        found += definitions(tree)
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:16]


def _path(name: str) -> Path | None:
    """File of an importable name of this project, or of a plugin; None for anything else."""
    if name.endswith(".py"):
        return Path(name)
    stem = ROOT.joinpath(*name.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(tree: ast.Module) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    # The registry names every method; following it would make each depend on all.
    return [n for n in names if n.split(".")[0] in ("methods", "metrics") and n != "methods"]


def definitions(tree: ast.Module) -> list[str]:
    """Each top-level statement of a module as text, without imports, comments and docstrings."""
    return [ast.unparse(statement) for statement in _Bare().visit(tree).body]


class _Bare(ast.NodeTransformer):
    """Takes imports and docstrings out of a tree."""

    def visit(self, node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            return None
        self.generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = node.body[ast.get_docstring(node, clean=False) is not None :]
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.If):
            node.body = node.body or [ast.Pass()]
        return node
