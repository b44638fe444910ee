"""Plans: what runs would cost, on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.cli import main
from benchmark.core.run import Run
from benchmark.execution import cost, speed
from benchmark.experiments.job import Job

NOWHERE = Path("no results here")


def run(method: str, batch: int, iterations: int = 100_000) -> Run:
    changes = (f"ring.batch={batch}", f"ring.iterations={iterations}")
    return Job("full", changes, seeds=(0,)).runs("ring", method)[0]


@pytest.mark.parametrize(
    "method, ms",
    [
        ("lbt", 91),
        ("lbt_gan", 94),
        ("gan", 5.9),
        ("veegan", 14),
        ("unrolled_gan", 29),
        ("pacgan", 9.7),
    ],
)
def test_estimates_at_the_authors_batch_are_within_a_third_of_what_was_timed(method, ms):
    """Milliseconds an update on the reference machine, alone."""
    asked = run(method, 512)
    sampled = cost.seconds(run("oracle", 512), NOWHERE)
    found = 1e3 * (cost.seconds(asked, NOWHERE) - sampled) / asked.budget.iterations
    assert 2 / 3 < found / ms < 4 / 3


def test_a_slower_machine_takes_longer():
    asked = run("gan", 128)
    usual = cost.seconds(asked, NOWHERE)
    assert cost.seconds(asked, NOWHERE, 0.5) == pytest.approx(2 * usual)
    words = cost.describe([asked], 0, NOWHERE, 1, 0.5)
    assert cost.clock(2 * usual) in words and "this machine: 0.50 of the reference" in words
    assert "this machine" not in cost.describe([asked], 0, NOWHERE, 1)


def test_a_plan_measures_with_as_many_workers_as_would_run(tmp_path, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(speed, "measure", lambda jobs: asked.append(jobs) or 0.25)
    command = ["--plan", "--methods", "gan", "--preset", "smoke", "--out", str(tmp_path)]
    assert main([*command, "--jobs", "3"]) == 0
    assert asked == [3] and "this machine: 0.25 of" in capsys.readouterr().out


def test_the_machine_is_measured_in_seconds():
    assert 0 < speed.measure(2) < 100  # any machine at all
