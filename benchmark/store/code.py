"""The version of the code that decides a run's numbers."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from benchmark.core.modules import beside, imported, is_plugin, path_of

LOOP = (
    "benchmark.training.prepare", "benchmark.training.loop", "benchmark.training.lane",
    "benchmark.training.measure", "benchmark.training.engine", "benchmark.data.noise",
)  # fmt: skip


@cache
def code_version(method: str, data: str) -> str:
    """Hash of the code that decides a run's numbers, from the modules of its method and its data.

    Covers both and everything of this project that they import of methods, metrics and data, what
    a plugin imports from beside it, and the loop. Comments, docstrings and layout do not count, nor
    do other methods and data, nor which file a definition stands in: editing those keeps finished
    runs valid.
    """
    seen: set[Path] = set()
    found: list[str] = []
    todo = [path_of(name) for name in (method, data, *LOOP)]
    for plugin in filter(is_plugin, (method, data)):
        todo += beside(Path(plugin)).values()
    while todo:
        path = todo.pop()
        if path is None or path in seen:
            continue
        seen.add(path)
        tree = ast.parse(path.read_text())
        todo += [path_of(name) for name in _imports(tree)]
        found += definitions(tree)
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:16]


def _imports(tree: ast.Module) -> list[str]:
    """What it imports of methods, metrics and data, but their registries, which name all."""
    ours = ("methods.", "metrics.", "benchmark.data.")
    return [name for name in imported(tree) if name.startswith(ours)]


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
