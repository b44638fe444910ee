"""Published numbers: one file, and a document that shows all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.artefacts import table1
from benchmark.results.published import MEASURED, comparable, lineage, published

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "PUBLISHED.md"


@pytest.mark.parametrize("dataset", MEASURED)
def test_the_document_shows_every_row(dataset):
    assert lineage(dataset) in DOCUMENT.read_text()


def test_every_number_is_in_the_lineage():
    shown = "".join(map(lineage, MEASURED))
    assert all(f" {value:g} |" in shown for value in published()["value"])


def test_table_1_keeps_to_the_paper_and_pacgan():
    sources = {text.partition(",")[0] for text in table1.published()["source"]}
    assert sources == {"LBT paper", "PacGAN"}


def test_only_the_papers_own_numbers_compare():
    assert set(published().query("comparable == 'yes'")["source"]) == {"LBT paper"}
    assert comparable()["grid", "lsgan", "modes_covered"] == 88
