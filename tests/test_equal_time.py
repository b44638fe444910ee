"""Every method at the same training time: whose time it is, and what a run that broke counts as."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
from ledger import write_run

from benchmark.core.files import write_json
from benchmark.report.page import grids
from benchmark.results import equal_time
from benchmark.results.view import Results


def run(out: Path, label: str, seed: int, values: list[float], pace: float, **kwargs) -> None:
    """A run that is measured every ``pace`` seconds."""
    total = pace * (len(values) - 1)
    write_run(out, label, seed, {"modes_covered": values}, seconds=total, **kwargs)
    path = out / "quick" / "runs" / "ring" / label / f"seed{seed}" / "metrics.csv"
    frame = pd.read_csv(path)
    frame["seconds"] = [pace * i for i in range(len(values))]
    frame.to_csv(path, index=False)


def found(out: Path, clock: str = equal_time.QUICKEST) -> pd.DataFrame:
    table = Results(out, "quick").equal_time
    return table[table["clock"] == clock].set_index("method")


def test_every_method_stops_when_the_quickest_is_done(tmp_path):
    for label, pace, values in (
        ("gan", 1, [0, 1, 2, 3]),
        ("lbt", 2, [0, 5, 6, 7]),
        ("ali", 9, [8, 7, 6, 5]),
    ):
        for seed in range(3):
            run(tmp_path, label, seed, values, pace)
    run(tmp_path, "oracle", 0, [8, 8, 8], 0.1)
    table = found(tmp_path)
    # GAN takes 3 s; its last measurement, with more samples, is not on its curve. LBT is at 2 s.
    assert (table["seconds"] == 3).all()
    numbers = ["mean", "low", "high", "n", "at", "total"]
    assert table.loc["gan", numbers].tolist() == [2, 2, 2, 3, 2, 3]
    assert table.loc["lbt", numbers].tolist() == [5, 5, 5, 3, 2, 6]
    assert table.loc["oracle", "mean"] == 8
    assert table.loc["ali", "steps"] == 0 and table.loc["ali", ["mean", "low", "at"]].isna().all()


def test_a_second_time_is_that_by_which_every_method_was_measured(tmp_path):
    for label, pace in (("gan", 1), ("ali", 9)):
        run(tmp_path, label, 0, [8, 7, 6, 5], pace)
    table = found(tmp_path, equal_time.MEASURED)
    assert (table["seconds"] == 9).all()
    assert table.loc["ali", ["mean", "at", "total"]].tolist() == [7, 9, 27]
    assert table.loc["gan", ["mean", "at", "total"]].tolist() == [6, 2, 3]  # ended long before
    first, second = grids.equal_time(Results(tmp_path, "quick").equal_time, "ring")
    assert first.caption.startswith("After 3.0 s") and "(ALI after 9.0 s)" in first.caption
    assert second.caption.startswith("After 9.0 s") and "dash" not in second.caption
    assert [row[1].text for row in first.rows] == ["6.0", "\N{EN DASH}"]  # GAN, ALI


def test_there_is_one_time_where_it_is_enough_or_no_other_exists(tmp_path):
    run(tmp_path, "gan", 0, [0, 1, 2, 3], 1)
    run(tmp_path, "ali", 0, [0, 1, 2, 3], 2)
    assert found(tmp_path, equal_time.MEASURED).empty
    run(tmp_path, "lbt", 0, [0, 8], 9)  # never measured between start and end
    assert found(tmp_path, equal_time.MEASURED).empty


def test_a_run_that_broke_does_not_set_the_time(tmp_path):
    run(tmp_path, "gan", 0, [0, 1, 2, 3], 1)
    run(tmp_path, "veegan", 0, [0, 2, 2], 0.25, status="diverged")
    run(tmp_path, "lsgan", 0, [0, 5, 6], 0.25, status="diverged")
    run(tmp_path, "lsgan", 1, [0, 5, 6, 7], 2)
    assert (found(tmp_path)["seconds"] == 3).all()
    run(tmp_path, "gan", 1, [0, 2, 2], 0.25, status="diverged")
    assert (found(tmp_path)["seconds"] == 3).all()


def test_a_run_that_broke_within_the_time_counts_as_the_worst(tmp_path):
    run(tmp_path, "gan", 0, [0, 1, 2, 3], 1)
    run(tmp_path, "veegan", 0, [0, 7, 7], 0.5, status="diverged")
    run(tmp_path, "veegan", 1, [0, 4, 5, 6], 1)
    run(tmp_path, "pacgan", 0, [0, 7, 7, 7], 2, status="diverged")  # at 6 s, after the time
    table = found(tmp_path)
    assert table.loc["veegan", ["mean", "n", "missed", "steps"]].tolist() == [2.5, 2, 1, 666666]
    assert table.loc["pacgan", ["mean", "n", "missed"]].tolist() == [7, 1, 0]
    (grid,) = grids.equal_time(Results(tmp_path, "quick").equal_time, "ring")
    assert "metric's worst value" in grid.caption
    assert "2 (1 missed)" in [cell.text for row in grid.rows for cell in row]


def test_a_run_that_failed_before_a_measurement_counts_too(tmp_path):
    run(tmp_path, "gan", 0, [0, 1, 2, 3], 1)
    for label in ("ali", "gan"):
        folder = tmp_path / "quick" / "runs" / "ring" / label / "seed7"
        write_json(folder / "settings.json", {"data": "ring"})
        write_json(folder / "provenance.json", {"status": "failed", "reason": "no luck"})
    table = found(tmp_path)
    assert table.loc["ali", ["mean", "n", "missed"]].tolist() == [0, 1, 1]
    assert math.isnan(table.loc["ali", "total"])
    assert table.loc["gan", "mean"] == 2  # of settings that no other run has: left out everywhere


def test_nothing_is_said_where_nothing_is_done(tmp_path):
    run(tmp_path, "gan", 0, [0, 1, 2, 3], 1, status="diverged")
    assert list(Results(tmp_path, "quick").equal_time.columns) == equal_time.COLUMNS
    assert found(tmp_path).empty
