"""Files appear whole or not at all; runs are known by what decides their numbers."""

from __future__ import annotations

import ast

import pytest

from benchmark.core.files import replaced, write_text
from benchmark.data import DATASETS
from benchmark.experiments.job import Job
from benchmark.store import code, provenance


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replaced(path) as file:
        file.write(b"half of the ne")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_identity_follows_settings_and_code():
    (run,) = Job("smoke", seeds=(0,)).runs("ring", "lbt")
    (same,) = Job("smoke", seeds=(0,)).runs("ring", "lbt")
    (other,) = Job("smoke", ("lbt.K=3",), seeds=(0,)).runs("ring", "lbt")
    assert run.fingerprint("a") == same.fingerprint("a")
    assert len({run.fingerprint("a"), other.fingerprint("a"), run.fingerprint("b")}) == 3
    assert other.label == "lbt[K=3]"


def test_label_cannot_leave_its_folder(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from methods.base import MethodConfig\n"
        "class C(MethodConfig):\n    path: str = ''\n"
        "def build(spec, cfg: C): ...\n"
    )
    job = Job("smoke", ("mine.path=../../x",), (str(plugin),), seeds=(0,))
    (label,) = {job.label("mine")}
    assert label.startswith("mine[path=.._.._x~") and "/" not in label


def test_code_version_ignores_comments_places_and_other_methods():
    source = '"""Doc."""\nimport os\n\ndef f(x):\n    """Doc."""\n    return x  # why\n'
    bare = "from a import b\ndef f(x):\n\n    from c import d\n    return x"

    def version(*files: str) -> list[str]:
        return sorted(text for file in files for text in code.definitions(ast.parse(file)))

    assert version(source) == version(bare)
    assert version(source) != version(bare.replace("return x", "return -x"))
    assert version("a = 1\nb = 2", source) == version("b = 2", "a = 1", bare)
    data = [DATASETS[name].module for name in ("ring", "cifar10")]
    assert len({code.code_version(m, d) for m in ("methods.lbt", "methods.gan") for d in data}) == 4
    assert len(provenance.commit()) >= 7
