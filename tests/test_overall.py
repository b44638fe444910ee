"""The page of all results under a folder: every claim, and the way to what it rests on."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from ledger import write_finals
from reader import COLOURS, WIDTHS, Reader

from benchmark.cli import main
from benchmark.experiments.job import Job
from benchmark.report import page
from benchmark.report.claims import ledger
from benchmark.report.claims.claim import load as load_claims
from benchmark.report.claims.evidence import every
from benchmark.report.page import overall

STRANGE = "a b#<img src=x onerror=alert(1)>"  # a folder that somebody left there


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Results of two presets, one with a page, and of a folder that is none."""
    out = tmp_path_factory.mktemp("results")
    write_finals(out, "lbt", [8, 8, 8], share=0.004)
    write_finals(out, "lbt", [1, 1, 1], preset="full", share=0.004, M=7)
    write_finals(out, "lbt_gan", [8, 8, 8], preset="mixtures-batch-128", share=0.00375)
    (out / STRANGE / "figures").mkdir(parents=True)
    page.write(out, Job("quick"))
    return out


@pytest.fixture(scope="module")
def written(folder) -> Path:
    assert main(["--claims", "--out", str(folder)]) == 0
    return folder / page.NAME


@pytest.fixture(scope="module")
def read(written) -> Reader:
    return Reader(written.read_text())


def row(read: Reader, name: str) -> str:
    """The words of a claim, up to the next one's."""
    (claim,) = (c for c in load_claims() if c.id == name)
    return read.text[read.text.index(claim.text) :][:400]


def test_every_claim_is_there_with_its_scale_and_folder(read):
    ids = {claim.id for claim in load_claims()}
    assert {i.removeprefix("claim-") for i in read.ids if i.startswith("claim-")} == ids
    supported = row(read, "ring-modes")
    assert "n = 3 0.4 % of the released training, quick" in supported
    assert "Fails in a substitute: full, M=7." in supported
    assert "n = 3 0.38 % of the released training, mixtures" in row(read, "ring-modes-lbt-gan")
    assert "3 supported" in read.text


def test_links_resolve_and_only_pages_that_exist_are_linked(read, written):
    targets = read.all("a", "href")
    assert "quick/index.html#claim-ring-modes" in targets
    assert not any(target.startswith("mixtures-batch-128/") for target in targets)
    for target in targets:
        place, _, anchor = target.partition("#")
        path = written.parent / unquote(place) if place else written
        assert "://" not in target and path.is_file(), target
        assert not anchor or path.suffix == ".html" and anchor in Reader(path.read_text()).ids


def test_presets_are_described(read):
    at = read.text.index("Ring and grid of every method at batch 128")
    assert "3 runs; 1 claim rests on it. It has no page" in read.text[at : at + 400]


def test_names_of_folders_are_inert(read, written, browser):
    assert "<img" not in written.read_text() and STRANGE in read.text
    assert not any(n.startswith("on") for _, attributes in read.tags for n in attributes)
    before = written.read_bytes()
    (written.parent / STRANGE / page.NAME).write_text("")
    again = overall.write(written.parent, ledger.of(written.parent))
    assert "a%20b%23%3Cimg" in again.read_text()
    browser.open(again)
    links = "[...document.querySelectorAll('a[href*=\"a%20b\"]')].map(a => decodeURI(a.pathname))"
    found = browser.value(links)
    assert found and all(place.endswith(page.NAME) for place in found)
    assert not browser.errors()
    (written.parent / STRANGE / page.NAME).unlink()
    written.write_bytes(before)


def test_our_additions_are_apart_and_not_counted(folder):
    judged = [j for j in ledger.of(folder) if not j.claim.ours]
    ours = [
        j._replace(claim=j.claim.model_copy(update={"ours": True}))
        if j.claim.id in ("ring-modes", "grid-modes")
        else j
        for j in judged
    ]
    text = page.fill("overall.html", overall.content(folder, ours, every(folder)))
    read = Reader(text)
    assert "2 supported" in read.text and "3 supported" not in read.text
    beyond = read.text[read.text.rindex("Beyond the paper") :]
    assert "Beyond the paper 2" in beyond and "supported section 5.1, Figure 3a" in beyond
    assert {"claim-ring-modes", "claim-grid-modes"} <= read.ids
    assert text.index('id="claim-ring-modes-lbt-gan"') < text.index('id="beyond"')
    assert text.index('id="beyond"') < text.index('id="claim-ring-modes"')
    assert "Beyond the paper" not in page.fill(
        "overall.html", overall.content(folder, judged, every(folder))
    )


def test_it_is_written_without_a_preset_only_and_equally(folder, written, capsys):
    before = written.read_bytes()
    assert main(["--claims", "--out", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(written)
    assert written.read_bytes() == before
    written.unlink()
    assert main(["--claims", "--preset", "quick", "--out", str(folder)]) == 0
    assert not written.exists()
    written.write_bytes(before)


@pytest.mark.parametrize("width", [1280, 360])
def test_it_works_in_a_browser(browser, written, width):
    browser.open(written, width)
    browser.value("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    needed, there = browser.value(WIDTHS)
    assert needed <= there
    light = browser.value(COLOURS)
    assert not browser.errors()
    assert [u for u in browser.requests() if not u.startswith("data:")] == [written.as_uri()]
    assert not re.search(r"url\((?!#)", written.read_text())
    browser.open(written, width, dark=True)
    assert not set(light) & set(browser.value(COLOURS))


def test_a_claims_link_opens_it_on_the_page_of_its_preset(browser, written):
    browser.open(written)
    browser.value("document.querySelector('#claim-ring-modes > summary').focus()")
    browser.value("document.querySelector('#claim-ring-modes > summary').click()")
    link = browser.value("document.querySelector('#claim-ring-modes p a').href")
    browser.open(written.parent / "quick" / page.NAME)
    browser.value(f"location.hash = {link!r}.split('#')[1]")
    browser.value("new Promise(done => setTimeout(done, 50))")
    assert browser.value("document.getElementById('claim-ring-modes').open")
