"""The documentation site: built strictly, and nothing in it asks the network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from methods import REGISTRY

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    if not shutil.which("mkdocs"):
        pytest.skip("needs mkdocs-material and mkdocstrings-python: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        ["bash", str(ROOT / "docs.sh"), "build", "--site-dir", str(folder)],
        capture_output=True, text=True, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_every_method_has_a_page_with_equations_and_results(site):
    for name in REGISTRY:
        page = (site / "methods" / f"{name}.html").read_text()
        words = re.sub(r"<[^>]*>", "", page)
        assert name in words and "Results" in words and "def build(" in words
    page = (site / "methods" / "lbt.html").read_text()
    assert "argmax_phi" in page and "Departures" in page and "82.7 [76.1, 89.3]" in page


def test_nothing_is_loaded_from_elsewhere(site):
    loads = re.compile(r'<(?:link|script|img|iframe)[^>]+(?:href|src)="?(?:https?:)?//[^>]*>')
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        assert not [tag for tag in loads.findall(page.read_text()) if 'rel="canonical"' not in tag]
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import", sheet.read_text()), sheet


def test_pictures_and_pages_linked_to_are_there(site):
    for page in site.glob("*.html"):
        for target in re.findall(r'(?:src|href)="([^"#?:]+)"', page.read_text()):
            assert (page.parent / target).exists() or target.startswith("/"), (page.name, target)
