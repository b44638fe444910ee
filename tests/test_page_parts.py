"""The parts of a page: labels of artefacts, commands of runs, numbers, notes and pictures."""

from __future__ import annotations

import shlex
import shutil

import numpy as np
import pytest
from ledger import write_run
from PIL import Image

from benchmark.artefacts import ARTEFACTS
from benchmark.experiments.job import Job
from benchmark.report import page
from benchmark.report.page import charts, distance, grids, pictures, runs, sections, verdicts
from benchmark.results.view import Results


def test_every_artefact_has_the_papers_words():
    assert list(sections.paper())[:1] == ["table1"]
    assert set(ARTEFACTS) <= set(sections.paper())
    for name, entry in sections.paper().items():
        assert len(entry.paper) > 80, name


def test_an_artefact_is_labelled_by_what_it_is_made_of(tmp_path):
    write_run(tmp_path, "lbt", 0, {"modes_covered": [0, 8]}, dataset="ring_unrolling")
    runs = tmp_path / "quick" / "runs"
    shutil.copytree(
        runs / "ring_unrolling" / "lbt", runs / "estimators_ring" / "lbt[mog,anneal=0.5]"
    )
    judged, _ = verdicts.judge_all(page.Evidence(tmp_path, "quick"))
    every = sections.every(Results(tmp_path, "quick"), Job("quick"), judged)
    found = {section.name: section for section in every}
    assert found["fig1"].scale == "computed, not trained"
    assert found["theory"].scale.startswith("computed; its runs: 1,000 of 1,000,000 released")
    assert "settings by search" in found["estimators"].scale
    assert found["estimators"].data == ["estimators_ring"] and found["theory"].data == [
        "ring_unrolling"
    ]
    assert not {"cost-k", "cost-update"} & {j.claim.id for j in found["estimators"].claims}
    mixtures = sections.every(
        Results(tmp_path, "mixtures-batch-128"), Job("mixtures-batch-128"), judged
    )
    (theory,) = (section for section in mixtures if section.name == "theory")
    assert [words for words, _ in theory.absent] == [
        "The preset mixtures-batch-128 has no runs for it.",
        "Not drawn here.",
    ][1:]


def test_a_command_names_commit_device_budget_and_plugin():
    job = Job("smoke", ("ring.batch=8", "lbt.K=2"))
    source = {"commit": "0123456789ab-dirty", "device": "cuda", "tf32": True}
    found = runs.command(job, "ring", "loud", "3", {}, source)
    assert found == (
        "git checkout 0123456789ab && python -m benchmark --plugin loud.py --methods loud "
        "--dataset ring --preset smoke --seeds 3 --set ring.batch=8 --device cuda --tf32 "
        "--out repeat"
    )
    assert "checkout" not in runs.command(job, "ring", "gan", "0", {}, {"commit": "$(reboot)"})


def test_a_shortened_label_is_asked_for_by_its_settings():
    job = Job("quick")
    record = {"settings": job.runs("ring", "gan")[0].settings | {"eta_psi": 0.5}}
    found = shlex.split(runs.command(job, "ring", "gan[eta_psi=0_5~01234567]", "0", record, {}))
    assert found[found.index("--methods") + 1] == "gan"
    assert found[found.index("--set") + 1] == "gan.eta_psi=0.5"


@pytest.mark.parametrize(
    "value, digits, text",
    [(-3.25, None, "\N{MINUS SIGN}3.25"), (1234.0, None, "1,234"), (float("nan"), 1, ""),
     (float("-inf"), 1, "\N{MINUS SIGN}\N{INFINITY}"), (True, None, "yes"), ("a", 2, "a"),
     (0.123456, None, "0.1235"), (np.float64(2.0), 1, "2.0"), (None, None, "")],
)  # fmt: skip
def test_numbers(value, digits, text):
    assert grids.number(value, digits) == text


@pytest.mark.parametrize("value, kept", [(1.23456789, 1.2346), (float("inf"), None)])
def test_json_has_no_infinities(value, kept):
    assert charts.rounded(value) == kept


def test_departures_are_read_from_docstrings(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text('"""Mine.\n\nDepartures: none\nworth naming.\n\n- one\n  two\n- three\n"""\n')
    assert distance.departures(plugin) == ["none worth naming.", ["one two", "three"]]
    assert distance.departures(tmp_path / "gone.py") == []
    names = [note.name for note in distance.notes(Job("quick"), ["lbt[K=3]", "gone"])]
    assert names[0] == "LBT" and "methods/convnets.py" in names and "GAN" not in names


def test_a_large_picture_is_made_smaller(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (300, 2800, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    found = pictures.inline(tmp_path / "a.png")
    assert (found.width, found.height) == (1400, 150)
    assert len(found.uri) < (tmp_path / "a.png").stat().st_size
