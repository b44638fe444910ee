"""How far runs are from the released ones, and from what their preset asks for now."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ledger import claim, write_finals, write_run
from matplotlib import pyplot as plt
from PIL import Image

from benchmark.artefacts import table1
from benchmark.artefacts.drawing import sheets, style
from benchmark.cli import main
from benchmark.experiments.job import Job
from benchmark.report import page
from benchmark.report.claims import ledger
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.verdict import judge
from benchmark.report.page import distance
from benchmark.results.scale import clocks, scale_of
from benchmark.results.view import Results


def with_budget(out: Path, label: str, preset="quick", dataset="ring", **budget) -> None:
    """Three runs whose records have this budget besides the released one, and 8 modes."""
    write_finals(out, label, [8, 8, 8], preset=preset)
    made, wanted = (out / preset / "runs" / name / label for name in ("ring", dataset))
    wanted.parent.mkdir(exist_ok=True)
    made.rename(wanted)
    for path in wanted.glob("seed*/settings.json"):
        record = json.loads(path.read_text())
        record["budget"] |= budget
        path.write_text(json.dumps(record))


def rows(grid) -> list[list[str]]:
    return [[cell.text for cell in row] for row in grid.rows]


@pytest.mark.parametrize("dataset", ["ring", "estimators_ring", "ring_unrolling"])
def test_noise_and_coordinates_that_are_not_the_released_ones_are_departures(tmp_path, dataset):
    with_budget(tmp_path, "lbt", dataset=dataset, z_dim=2, coordinate_scale=5.0)
    with_budget(tmp_path, "gan", dataset=dataset, z_dim=256, coordinate_scale=1.0)
    folder = Evidence(tmp_path, "quick")
    assert folder.departures(dataset, "lbt") == {"z_dim": 2, "coordinate_scale": 5.0}
    assert folder.departures(dataset, "gan") == {}
    assert rows(distance.settings(folder, [dataset])) == [
        [dataset, "coordinate_scale", "5", "1", "LBT"], [dataset, "z_dim", "2", "256", "LBT"],
    ]  # fmt: skip
    rule = claim("at_least", dataset=dataset, methods=["lbt"], value=9)
    judged = judge(rule, [folder])
    assert (judged.verdict, judged.reason) == ("not run", "no runs with the released settings")
    assert judged.substitute == "fails in a substitute: quick, coordinate_scale=5.0, z_dim=2"


def test_the_share_in_the_table_of_budgets_is_that_of_the_verdicts(tmp_path):
    """Figure 6 has a budget of ours in preset paper; the authors' is that of the ring."""
    with_budget(tmp_path, "lbt", dataset="ring_unrolling", iterations=1000, batch=128)
    folder = Evidence(tmp_path, "quick")
    assert folder.share("ring_unrolling", "lbt") == 0.00025
    (row,) = rows(distance.budgets(folder, ["ring_unrolling"]))
    assert row[:6] == ["ring_unrolling", "1,000", "1,000,000", "128", "512", "0.025 %"]


def test_the_table_of_budgets_has_the_range_over_methods(tmp_path):
    for label, iterations in (("lbt", 1000), ("lbt_gan", 4800), ("gan", 20_400)):
        sizes = {"iterations": iterations, "batch": 256}
        with_budget(tmp_path, label, dataset="estimators_ring", **sizes)
    (row,) = rows(distance.budgets(Evidence(tmp_path, "quick"), ["estimators_ring"]))
    assert row[1:6] == ["1,000 to 20,400", "1,000,000", "256", "512", "0.05 % to 1 %"]


NOTE = "; some runs of another budget: 64,000 updates, noise of 256 dimensions"


def earlier(out: Path, folder="estimators") -> Results:
    """Runs of which some were made before the preset said 84,000 updates and 16 dimensions."""
    budget = {"batch": 1024, "z_dim": 16, "coordinate_scale": 5.0}
    made = {
        "lbt[mog]": {"iterations": 64_000, "z_dim": 256},
        "lbt_gan[mog]": {"iterations": 52_000},
    }
    for label, own in made.items():
        with_budget(out, label, folder, "estimators_grid", data="grid", **budget | own)
    return Results(out, folder)


def test_runs_of_another_budget_than_the_presets_are_told(tmp_path):
    job = Job("estimators")
    results = earlier(tmp_path)
    assert scale_of(results, job, "estimators_grid") == job.scale("estimators_grid") + NOTE
    assert scale_of(results, job, "estimators_ring") == job.scale("estimators_ring")
    both = scale_of(results, job, "estimators_grid", "estimators_ring")
    assert both == "; ".join(f"estimators_{d}: {scale_of(results, job, f'estimators_{d}')}"
                             for d in ("grid", "ring"))  # fmt: skip


def test_a_change_that_a_folder_is_named_after_is_no_other_budget(tmp_path):
    job = Job("estimators", ("estimators_grid.z_dim=256",))
    results = earlier(tmp_path, job.folder)
    words = scale_of(results, job, "estimators_grid")
    assert words.endswith("; some runs of another budget: 64,000 updates, noise of 16 dimensions")
    assert "another budget" not in Evidence(tmp_path, job.folder).scale("estimators_grid")


def test_updates_of_a_method_that_set_renamed_are_the_presets(tmp_path):
    with_budget(
        tmp_path, "gan[tuned,K=3]", "estimators", "estimators_ring", iterations=18_800, batch=256
    )
    job = Job("estimators")
    assert scale_of(Results(tmp_path, "estimators"), job, "estimators_ring") == job.scale(
        "estimators_ring"
    )


def test_another_budget_is_told_wherever_the_scale_is(tmp_path):
    earlier(tmp_path)
    evidence = Evidence(tmp_path, "estimators")
    job = Job("estimators")
    assert evidence.scale("estimators_grid").endswith(NOTE)
    text = page.render(evidence, job)
    (section,) = (s for s in page.content(evidence, job)["absent"] if s.name == "estimators")
    assert section.scale.endswith(NOTE)
    assert text.count(NOTE) >= 3  # the artefact, the dataset, and the claims on it
    assert main(["--report", "--no-figures", "--preset", "estimators", "--out", str(tmp_path)]) == 0
    assert NOTE in (tmp_path / "estimators" / "summary.md").read_text()
    judged = ledger.of(tmp_path)
    assert any(scale.endswith(NOTE) for scale in ledger.table(judged)["scale"])


def test_the_share_of_the_released_training_is_computed(tmp_path):
    words = "6,000 of 1,000,000 released generator updates (0.6 %), batch 128 instead of 512"
    assert Job("quick").scale("ring") == words
    changed = Job("quick", ("ring.iterations=20000", "ring.batch=512"))
    assert changed.scale("ring").startswith("20,000 of 1,000,000 released generator updates (2 %);")
    assert Job("quick").scale("toy1d") == "10,000 generator updates, batch 512"  # none are released
    with_budget(tmp_path, "lbt", iterations=6000, batch=512)
    words += "; some runs of another budget: batch 512"
    assert words in page.render(Evidence(tmp_path, "quick"), Job("quick"))


@pytest.mark.parametrize("name", ["ring-authors-batch", "ring-authors-batch[ring.batch=64]"])
def test_that_runs_were_timed_under_unlike_conditions_is_told(tmp_path, name):
    for label, machine in (("lbt", "A"), ("gan", "A"), ("lsgan", "B"), ("veegan", "")):
        write_finals(tmp_path, label, [8, 8], preset=name, machine=machine)
    write_finals(tmp_path, "gan", [8, 8], preset=name, dataset="grid", machine="A")
    note = "; timed under unlike conditions: cpu A and cpu B"
    assert Evidence(tmp_path, name).scale("ring").endswith(note)
    assert "conditions" not in Evidence(tmp_path, name).scale("grid")
    assert clocks(Results(tmp_path, name), "ring", ["gan", "veegan"]) == ["cpu A"]


LONG = "step sizes of 0.001 throughout, " * 10  # the most that a preset may say, 300 characters


def test_a_long_scale_is_broken_to_fit_a_figure():
    figure = plt.figure(figsize=(style.PAGE_WIDTH, 2))
    box = figure.suptitle(style.lines(LONG), fontsize=6).get_window_extent()
    assert 0 < box.x0 and box.x1 < figure.bbox.width
    plt.close(figure)
    assert style.lines("exact\nring: one").count("\n") == 1


def test_a_long_scale_is_broken_to_fit_a_sheet(tmp_path):
    panels = [sheets.Panel("a", np.zeros((64, 28, 28, 3), np.uint8))] * 2
    (short,) = sheets.save(panels, "b", tmp_path / "short")
    (long,) = sheets.save(panels, LONG, tmp_path / "long")
    with Image.open(short) as one, Image.open(long) as many:
        assert one.width == many.width and one.height < many.height
        dark = np.asarray(many.convert("L")) < 200
    assert not dark[:, -sheets.MARGIN + 1 :].any() and dark[-sheets.TITLE :].any()


NAMED = {  # setting -> what a scale says of it
    "nets": "Metz", "d_ratio": "D a quarter of G", "hidden": "VAE 20-20", "M": "M = ",
    "warm_up": "no warm-up", "eta_theta": "step sizes of 0.001",
}  # fmt: skip


@pytest.mark.parametrize("preset", ["quick", "stacked-mnist", "full", "estimators"])
def test_the_scale_of_images_names_what_the_preset_gives_to_all_methods(preset):
    job = Job(preset)
    for dataset, budget in job.preset.datasets.items():
        for key in budget.common.keys() & NAMED.keys():
            assert NAMED[key] in job.scale(dataset), (dataset, key)
        if dataset in ("cifar10", "celeba"):  # the preset's words are about ring and grid
            assert "of 300,000" in job.scale(dataset)


def test_table_1_tells_several_entries_of_its_data_apart(tmp_path):
    curves = {"smnist_modes": [1.0, 9.0], "smnist_kl": [6.9, 5.0]}
    first, other = "stacked_mnist_small", "stacked_mnist_equal_time"
    data = "stacked_mnist"
    write_run(tmp_path, "gan", 0, curves, preset="stacked-mnist", dataset=first, data=data)
    job = Job("stacked-mnist")
    results = Results(tmp_path, "stacked-mnist")
    shown = results.among(job.drawn("table1"))
    assert shown == [first] and list(table1.rows(results, shown)["note"])[:1] == [""]
    write_run(tmp_path, "gan", 0, curves, preset="stacked-mnist", dataset=other, data=data)
    results = Results(tmp_path, "stacked-mnist")
    shown = results.among(job.drawn("table1"))
    assert shown == [first, other]
    assert list(table1.rows(results, shown)["note"])[:2] == [first, other]
    text = table1.caption(results, data, shown, job)
    assert f"{first}: " in text and f"{other}: " in text
