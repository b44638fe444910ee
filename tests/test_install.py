"""What is installed: the packages named once, the versions pinned once, and that it works."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from faults import LONG

from benchmark.results.published import comparable

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def names(lines: list[str]) -> set[str]:
    """Packages of requirements, as pip compares their names."""
    return {re.split(r"[\[=<>~!; ]", line)[0].lower().replace("_", "-") for line in lines if line}


def test_the_pinned_packages_are_those_the_project_names():
    pinned = (ROOT / "requirements.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in pinned)
    wanted = names(PROJECT["dependencies"]) | names(EXTRAS["dev"])
    assert names(pinned) - {"torch-fidelity"} == wanted
    assert names((ROOT / "requirements-fid.txt").read_text().splitlines()) == names(
        EXTRAS["scores"]
    )


def test_the_command_is_the_module():
    module, _, function = PROJECT["scripts"]["lbt-bench"].partition(":")
    from benchmark.cli import main

    assert getattr(importlib.import_module(module), function) is main


def test_the_published_numbers_are_packaged():
    assert comparable()["grid", "lbt", "modes_covered"] == 100  # of the 100, in the paper


def test_the_container_and_the_workflow_name_files_that_exist():
    used = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    scripts = re.findall(r"bash (\S+\.sh)", workflow)
    assert used and scripts
    for name in [*scripts, *(part for line in used for part in line.split())]:
        assert (ROOT / name).exists(), name


@pytest.mark.slow
@pytest.mark.skipif(not LONG, reason="minutes, downloads; set LBT_BENCH_LONG_TESTS")
@pytest.mark.parametrize("way", ["pip", "editable", "uv"])
def test_it_installs_and_works_elsewhere(way):
    if way == "uv" and not shutil.which("uv"):
        pytest.skip("needs uv")
    done = subprocess.run(
        ["bash", str(ROOT / "tests" / "install.sh"), way],
        env=os.environ | {"PYTHON": sys.executable}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
