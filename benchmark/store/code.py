"""The version of the code that decides a run's numbers."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from benchmark.core.paths import ROOT

LOOP = (
    "benchmark.training.prepare", "benchmark.training.loop", "benchmark.training.lane",
    "benchmark.training.measure", "benchmark.training.engine", "benchmark.data.noise",
)  # fmt: skip


@cache
def code_version(method: str, data: str) -> str:
    """Hash of the code that decides a run's numbers, from the modules of its method and its data.

    Covers both and everything of this project that they import of methods, metrics and data, and
    the loop. Comments, docstrings and layout do not count, nor do other methods and data, nor which
    file a definition stands in: editing those keeps finished runs valid.
    """
    seen: set[Path] = set()
    found: list[str] = []
    todo = [_path(name) for name in (method, data, *LOOP)]
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
    """What it imports of methods, metrics and data, but their registries, which name all."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [n for n in names if n.startswith(("methods.", "metrics.", "benchmark.data."))]


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
