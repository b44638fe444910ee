"""How far runs are from the released ones, and from what their preset asks for now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_claims import claim, verdict, write_finals

from benchmark.report.evidence import Evidence
from benchmark.report.page import scale


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


@pytest.mark.parametrize("dataset", ["ring", "students_ring", "ring_km"])
def test_noise_and_coordinates_that_are_not_the_released_ones_are_departures(tmp_path, dataset):
    with_budget(tmp_path, "lbt", dataset=dataset, z_dim=2, coordinate_scale=5.0)
    with_budget(tmp_path, "gan", dataset=dataset, z_dim=256, coordinate_scale=1.0)
    folder = Evidence(tmp_path, "quick")
    assert folder.departures(dataset, "lbt") == {"z_dim": 2, "coordinate_scale": 5.0}
    assert folder.departures(dataset, "gan") == {}
    assert rows(scale.settings(folder, [dataset])) == [
        [dataset, "coordinate_scale", "5", "1", "LBT"], [dataset, "z_dim", "2", "256", "LBT"],
    ]  # fmt: skip
    rule = claim("at_least", dataset=dataset, methods=["lbt"], value=9)
    reason = "fails with other settings than the released ones: coordinate_scale=5.0, z_dim=2"
    assert verdict(rule, tmp_path) == ("inconclusive", reason)


def test_the_share_in_the_table_of_budgets_is_that_of_the_verdicts(tmp_path):
    """Figure 6 has a budget of ours in preset paper; the authors' is that of the ring."""
    with_budget(tmp_path, "lbt", dataset="ring_km", iterations=1000, batch=128)
    folder = Evidence(tmp_path, "quick")
    assert folder.share("ring_km", "lbt") == 0.00025
    (row,) = rows(scale.budgets(folder, ["ring_km"]))
    assert row[:6] == ["ring_km", "1,000", "1,000,000", "128", "512", "0.025 %"]


def test_the_table_of_budgets_has_the_range_over_methods(tmp_path):
    for label, iterations in (("lbt", 1000), ("lbt_gan", 4800), ("gan", 20_400)):
        sizes = {"iterations": iterations, "batch": 256}
        with_budget(tmp_path, label, dataset="students_ring", **sizes)
    (row,) = rows(scale.budgets(Evidence(tmp_path, "quick"), ["students_ring"]))
    assert row[1:6] == ["1,000 to 20,400", "1,000,000", "256", "512", "0.05 % to 1 %"]
