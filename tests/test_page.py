"""The page of a preset: what it says, that it is inert, and that it works in a real browser."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from ledger import write_run
from PIL import Image
from reader import COLOURS, PICTURES, WIDTHS, Reader
from test_hostile import NASTY

from benchmark.cli import main
from benchmark.cli.options import parser
from benchmark.core.files import write_json
from benchmark.experiments.job import Job
from benchmark.report import page, rebuild
from benchmark.report.claims import ledger
from benchmark.report.claims.claim import load as load_claims
from benchmark.report.page import charts, runs, template
from benchmark.results.view import Results

LOADING = {"src", "srcset", "poster", "data", "action", "formaction", "background", "manifest"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Results of preset quick: two methods on the ring, runs that failed, diverged and did not end,
    a figure, tables, and a variant whose name needs quoting.
    """
    out = tmp_path_factory.mktemp("results")
    ends = {"lbt_gan": [8, 8, 8], "gan": [7, 6, 8], "lbt[K=3]": [8, 8, 8]}
    for label, modes in ends.items():
        for seed, last in enumerate(modes):
            bent = {"modes_covered": [8, 3, 5, last], "intra_mode_kl": [9.0, 2.0, 1.0, 0.5]}
            bent["high_quality_pct"] = [26.0, 40.0, 80.0, 90.0]
            write_run(out, label, seed, bent, share=0.006)
    write_run(out, "veegan", 0, {"modes_covered": [8, 2]}, status="diverged")
    failed = out / "quick" / "runs" / "ring" / "ali" / "seed0"
    write_json(failed / "settings.json", {"data": "ring", "budget": {"iterations": 9}})
    write_json(failed / "provenance.json", {"status": "failed", "reason": "ValueError: no luck"})
    write_json(failed.with_name("seed1") / "settings.json", {"data": "ring"})
    figures, listed = out / "quick" / "figures", out / "quick" / "tables"
    figures.mkdir()
    listed.mkdir()
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(figures / "fig3.png")
    (figures / "fig5.png").write_text("no picture")
    minima = {"divergence": ["JS", "KL"], "a": [-3.25, -3.0], "nats": [0.2141, float("inf")]}
    pd.DataFrame(minima | {"collapsed": [True, False]}).to_csv(figures / "fig1.csv", index=False)
    (figures / "extra.csv").write_text("x,mean,low,high\n1,2.5,2,3\n")
    return out


@pytest.fixture(scope="module")
def written(folder) -> Path:
    return page.write(folder, Job("quick"))


@pytest.fixture(scope="module")
def read(written) -> Reader:
    return Reader(written.read_text())


def test_it_opens_with_who_came_first_then_figures_curves_and_the_claims_that_ran(read, folder):
    assert read.text.index("LBT[K=3] shares the first place on ring") < 200
    sentence = "LBT[K=3]: modes covered 8.0, high quality (%) 90.0; then LBT-GAN"
    assert read.text.index(sentence) < read.text.index("Best first")
    places = [i for t, a in read.tags if t == "section" and (i := a.get("id"))]
    shown = ["fig1", "fig3", "fig5", "file-extra"]
    assert places == ["boards", *shown, "data-0", "verdicts", "scale", "runs"]
    judged = {j.claim.id: j for j in ledger.of(folder, "quick")}
    ran = {name for name, one in judged.items() if one.verdict != "not run"}
    assert {i.removeprefix("claim-") for i in read.ids if i.startswith("claim-")} == ran
    assert 0 < len(ran) < len(judged) == len(load_claims())
    assert f"of {len(judged) - len(ran)} more claims it has no runs" in read.text
    one = judged["ring-modes-lbt-gan"]
    assert one.verdict == "holds so far"
    at = read.text.index(one.claim.text)
    assert "8 [8, 8] n = 3" in read.text[at : at + 200]
    assert "chose the rules" in read.text and "core-hours" in read.text


def test_a_folder_without_claims_has_no_verdicts(tmp_path):
    write_run(tmp_path, "lbt", 0, {"modes_covered": [3, 8]}, dataset="elsewhere", data="ring")
    read = Reader(page.write(tmp_path, Job("quick")).read_text())
    assert "verdicts" not in read.ids and "Verdicts" not in read.text
    assert "LBT alone on elsewhere" in read.text


def test_the_papers_numbers_stand_beside_ours(read):
    at = read.text.index("Figure 1: JS and KL")
    assert "a = -3.25, b = -2.69" in read.text[at : at + 600]


def test_runs_that_did_not_complete_are_shown(read):
    assert "ALI 0 failed: ValueError: no luck" in read.text
    assert "VEEGAN 0 diverged" in read.text and "ALI 1 unfinished" in read.text
    assert "1 (1 missed)" in read.text


def test_what_is_missing_is_named_with_its_command(read):
    assert "python -m benchmark --reproduce fig4 --preset quick" in read.text
    assert "No runs on cifar10 and celeba here." in read.text
    assert "fig5.png: damaged" in read.text


def test_other_files_are_shown_last(read):
    assert read.text.index("extra.csv") > read.text.index("Figure 5:")
    assert "2.5 [2, 3]" in read.text


def test_equal_results_give_equal_bytes(folder, written):
    before = written.read_bytes()
    assert page.write(folder, Job("quick")).read_bytes() == before


def test_nothing_is_loaded_from_anywhere(read, written):
    for tag, attributes in read.tags:
        for name in LOADING & set(attributes):
            assert attributes[name].startswith("data:"), (tag, name)
        if tag == "link":
            assert attributes["href"].startswith("data:")
    text = written.read_text()
    assert "@import" not in text and "fetch(" not in text and "XMLHttpRequest" not in text
    assert not re.search(r"url\((?!#)", text)
    policy = next(a["content"] for _, a in read.tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy and "img-src data:" in policy
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(script) == 1 and template.digest(script[0]) in policy


def test_links_resolve(read, written):
    targets = read.all("a", "href")
    assert len(targets) > 40
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in read.ids, target
        elif not target.startswith("data:text/csv;base64,"):
            assert "://" not in target and (written.parent / unquote(target)).exists(), target


def test_pictures_carry_their_pixels_and_words(read):
    pictures = [a for t, a in read.tags if t == "img"]
    assert pictures
    for attributes in pictures:
        assert attributes["src"].startswith("data:image/webp;base64,UklG")
        assert attributes["alt"] and attributes["width"] and attributes["height"]


def test_the_commands_of_runs_parse(folder, read):
    commands = [w for record in records(folder) for g in record.groups for r in g.runs
                for w in [r.command]]  # fmt: skip
    assert len(commands) == 12
    for command in commands:
        assert command in read.text
        words = shlex.split(command)
        arguments = parser().parse_args(words[words.index("benchmark") + 1 :])
        assert arguments.preset == "quick" and arguments.dataset == "ring"
    assert any("'lbt[K=3]'" in command for command in commands)


def records(out: Path) -> list[runs.Records]:
    return runs.by_dataset(page.Evidence(out, "quick"), Job("quick"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A results folder in which every name and text is an attack."""
    out = tmp_path_factory.mktemp("hostile")
    name = NASTY.replace("/", "") + "\u202e\"'</script><img src=x onerror=alert(1)>".replace(
        "/", ""
    )
    place = out / "quick" / "runs" / name / name / "seed0"
    write_json(
        place / "settings.json", {"data": name, "settings": {name: name}, "budget": {name: 1}}
    )
    keys = ("commit", "device", "hardware", "started", "reason")
    write_json(place / "provenance.json", {"status": "failed"} | {key: name for key in keys})
    rows = [(step, 0.5 * step, name, 1.0 + step) for step in range(4)]
    rows += [(step, 0.5 * step, "modes_covered", 3.0) for step in range(4)]
    pd.DataFrame(rows, columns=["step", "seconds", "metric", "value"]).to_csv(
        place / "metrics.csv", index=False
    )
    figures = out / "quick" / "figures"
    figures.mkdir()
    pd.DataFrame({name: [name], "</script><b>": ["</td>"]}).to_csv(figures / f"{name}.csv")
    return page.write(out, Job("quick"))


def test_hostile_text_is_inert(hostile):
    text = hostile.read_text()
    read = Reader(text)
    assert "<script>alert" not in text and "<img" not in text and "\x1b" not in text
    assert "\u202e" not in text
    assert sum(tag == "script" for tag, _ in read.tags) == 2
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert "<script>alert(1)<script>" in read.text  # shown as what it is
    data = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)[1]
    assert "<" not in data and json.loads(data)


def test_a_page_that_fails_is_one_line_and_loses_nothing(folder, written, monkeypatch, capsys):
    before = written.read_bytes()
    monkeypatch.setattr(page, "content", lambda *_: 1 / 0)
    assert rebuild.draw(rebuild.PAGE, Results(folder, "quick"), Job("quick")) == 1
    error = capsys.readouterr().err
    assert error == "page: failed: ZeroDivisionError: division by zero\n"
    assert written.read_bytes() == before


def test_a_command_writes_the_page_and_report_rewrites_it(tmp_path, capsys):
    sizes = [f"--set=ring.{k}" for k in ("iterations=4", "batch=8", "final_samples=2000",
                                         "eval_samples=500")]  # fmt: skip
    command = ["--preset", "smoke", "--seeds", "0", *sizes, "--jobs", "1", "--methods", "gan"]
    command += ["--out", str(tmp_path)]
    assert main(command) == 0
    (path,) = tmp_path.glob("smoke*/index.html")
    first = path.read_bytes()
    assert f": {path}" in capsys.readouterr().out
    assert "--set ring.batch=8" in Reader(first.decode()).text
    path.unlink()
    assert main([*command, "--report", "--reproduce", "fig2"]) == 0
    assert path.is_file()


def test_curves_leave_out_the_last_evaluation_and_keep_every_seed(folder):
    found = charts.of(Results(folder, "quick"), "ring")
    (series,) = (s for s in found["series"] if s["id"] == "lbt[K=3]")
    assert len(series["steps"]) == 3 and series["runs"] == [0, 1, 2]
    assert series["values"]["modes_covered"] == [[8.0, 3.0, 5.0]] * 3
    assert [m["log"] for m in found["metrics"]] == [False, False, True]


@pytest.mark.parametrize("width", [1280, 360])
def test_it_works_in_a_browser(browser, written, width):
    browser.open(written, width)
    assert browser.value("document.querySelectorAll('.chart path.series').length") > 4
    assert browser.value(PICTURES)
    for folded in (False, True):
        if folded:
            browser.value("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        needed, there = browser.value(WIDTHS)
        assert needed <= there, f"{needed - there} px wider than a window of {width} px"
    light = browser.value(COLOURS)
    assert not browser.errors()
    assert {u.partition(":")[0] for u in browser.requests()} <= {"file", "data"}
    assert [u for u in browser.requests() if u.startswith("file:")] == [written.as_uri()]
    browser.open(written, width, dark=True)
    assert not set(light) & set(browser.value(COLOURS))


def test_the_keyboard_reads_and_zooms_a_chart(browser, written):
    browser.open(written)
    moment = "document.querySelector('.moment').textContent"
    ticks = "[...document.querySelectorAll('.chart text')].map(t => t.textContent).join()"
    browser.value("document.querySelector('.chart > svg').focus()")
    browser.press("Home")
    assert browser.value(moment).startswith("At 0 updates")
    browser.press("ArrowRight")
    at = browser.value(moment)
    assert not at.startswith("At 0 ") and browser.value(
        "document.querySelector('.cursor') !== null"
    )
    before = browser.value(ticks)
    browser.press("+")
    assert browser.value(ticks) != before and browser.value(moment) == at
    browser.press("0")
    assert browser.value(ticks) == before
    assert not browser.errors()


def test_the_first_tab_stop_skips_to_the_results(browser, written):
    browser.open(written)
    browser.press("Tab")
    assert browser.value("document.activeElement.className") == "skip"
    assert browser.value("document.activeElement.getBoundingClientRect().left") >= 0


def test_a_link_to_a_folded_claim_unfolds_it(browser, written):
    browser.open(written)
    browser.value("location.hash = '#claim-ring-modes-lbt-gan'")
    browser.value("new Promise(done => setTimeout(done, 50))")
    assert browser.value("document.getElementById('claim-ring-modes-lbt-gan').checkVisibility()")


def test_hostile_text_runs_nothing_in_a_browser(browser, hostile):
    browser.open(hostile, 360)
    assert not browser.errors()
    assert [u for u in browser.requests() if not u.startswith("data:")] == [hostile.as_uri()]
    needed, there = browser.value(WIDTHS)
    assert needed <= there
