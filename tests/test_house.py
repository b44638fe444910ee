"""The rooms of the house: who may import whom, and how large a file or a function may be."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GROUND = {"core", "methods", "metrics"}
ALLOWED = {  # room -> rooms it may import, besides those of GROUND; methods and metrics: none
    "core": {"methods"},
    "store": set(),
    "data": set(),
    "experiments": {"data"},
    "training": {"data", "store"},
    "execution": {"training", "data", "store"},
    "results": {"experiments", "data", "store"},
    "artefacts": {"results", "experiments", "data", "store"},
    "report": {"artefacts", "execution", "results", "experiments", "data", "store"},
    "tools": {
        "report", "artefacts", "training", "results", "experiments", "data", "store"
    },
    "cli": {
        "report", "artefacts", "execution", "results", "experiments", "training", "data", "store"
    },
    "__main__": {"cli"},
    "api": {"experiments", "training", "data", "store"},  # the same rooms for a program
    "methods": set(),
    "metrics": set(),
}  # fmt: skip
LONGEST_FILE, LONGEST_FUNCTION = 300, 60
LONGEST_BUILD = 70  # of a method: its losses, steps and sampler, which read as one page


@cache
def files() -> dict[str, ast.Module]:
    """Every Python file of the project by its dotted name."""
    found = {}
    for folder in ("benchmark", "methods", "metrics"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = ast.parse(path.read_text())
    return found


def room(name: str) -> str:
    """``benchmark.data.noise`` -> data; ``methods.lbt`` -> methods."""
    parts = name.split(".")
    return parts[1] if parts[0] == "benchmark" and len(parts) > 1 else parts[0]


def imports(name: str) -> set[str]:
    """Files of the project that one imports, lazily or for types included."""
    found = set()
    for node in ast.walk(files()[name]):
        if isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & set(files())
            found |= inside or {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(files()) - {name}


@pytest.mark.parametrize("name", sorted(files()))
def test_a_file_imports_only_from_rooms_below(name):
    here = room(name)
    if here == "benchmark":
        assert not imports(name)
        return
    grounds = set() if here in ("methods", "metrics") else GROUND
    above = {
        other for other in imports(name) if room(other) not in ALLOWED[here] | grounds | {here}
    }
    assert not above


def test_no_circle_of_files():
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in sorted(imports(name)):
                visit(other, (*way, name))
            done.add(name)

    for name in files():
        visit(name, ())


def test_at_most_eight_floors():
    @cache
    def floor(name: str) -> int:
        if name in GROUND:
            return 1
        below = {room(other) for file in files() if room(file) == name for other in imports(file)}
        return 1 + max((floor(other) for other in below - {name}), default=0)

    assert floor("__main__") <= 8


def test_no_file_is_long():
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    paths = [ROOT / name for name in listed] or list(ROOT.glob("*/**/*.py"))
    lengths = {str(p): len(p.read_text().splitlines()) for p in paths if p.is_file()}
    assert not {name: n for name, n in lengths.items() if n > LONGEST_FILE}


def test_no_function_is_long():
    found = {}
    for name, tree in files().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                build = room(name) == "methods" and node.name == "build"
                n = node.end_lineno - node.lineno + 1
                if n > (LONGEST_BUILD if build else LONGEST_FUNCTION):
                    found[f"{name}.{node.name}"] = n
    assert not found
