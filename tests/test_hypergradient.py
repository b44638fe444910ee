"""LBT's gradient in theta as ``tools.hypergradient`` measures it on the ring."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmark.data.noise import Feed
from benchmark.experiments.job import Job
from benchmark.tools import hypergradient
from benchmark.tools.hypergradient import LONG, STEPS, main, numbers, teachers, with_errors
from benchmark.training.prepare import prepare
from methods import lbt
from methods.optim import clip_by_norm


@pytest.mark.parametrize("kind", ["unrolled", "implicit"])
def test_what_is_measured_is_what_a_step_applies(kind):
    """Adam's first moment tells the gradient that it was given."""
    changed = ("ring.batch=16", "lbt.K=3", f"lbt.hypergradient={kind}")
    (run,) = Job("paper", changed, seeds=(0,)).runs("ring", "lbt")
    method, spec, dataset = prepare(run, lambda fn: fn)
    cfg = lbt.LBTConfig(**run.settings)
    feed = Feed(method, spec, "ring", dataset, 0, "cpu")
    with torch.no_grad():
        before, _ = method.step(method.init(0), feed(0))
        after, _ = method.step(before, feed(1))
        label = (kind, 3) if kind == "unrolled" else (kind, cfg.cg_steps)
        teacher = teachers(spec, cfg)[label]._replace(batches=3)
        part = teacher.student.learn(before["theta"], lbt.pupil(before), feed(1))
        found = teacher.gradient(before["theta"], part, feed(1))
    old, new = before["opt_theta"]["m"], after["opt_theta"]["m"]
    applied = (new - cfg.beta1 * old) / (1 - cfg.beta1)
    torch.testing.assert_close(clip_by_norm(found, cfg.clip_norm), applied, rtol=1e-4, atol=1e-6)


def grams(cosine: float, noise: float, draws: int) -> torch.Tensor:
    """Of two gradients of norm 1 and 2 in 50 dimensions, with a noise that both share."""
    stream = torch.Generator().manual_seed(0)
    mean = torch.zeros(2, 1, 50, dtype=torch.double)
    mean[0, 0, 0] = 1
    mean[1, 0, :2] = 2 * torch.tensor([cosine, math.sqrt(1 - cosine**2)])
    g = mean + noise * torch.randn(1, draws, 50, generator=stream, dtype=torch.double)
    return torch.einsum("arp,bsp->abrs", g, g)


def test_noise_biases_neither_cosine_nor_norm():
    gram = grams(cosine=0.0, noise=0.5, draws=400)
    found = with_errors(gram, 0, {"other": 1})
    for name, true in {"norm": 1.0, "cosine_other": 0.0, "ratio_other": 0.5}.items():
        assert abs(found[name] - true) < 3 * found[f"{name}_error"], name
        assert found[f"{name}_error"] < 0.05
    # One draw has a squared norm of 1 + 50 / 4, and a cosine near 0.9 with the other's by noise.
    assert found["signal"] == pytest.approx(1 / 13.5, rel=0.2)
    assert float(gram[0, 1].trace() / (gram[0, 0].trace() * gram[1, 1].trace()).sqrt()) > 0.8


def test_without_noise_they_are_the_vectors_own():
    found = numbers(grams(cosine=0.6, noise=0.0, draws=4), 0, {"other": 1})
    expected = {"norm": 1.0, "signal": 1.0, "cosine_other": 0.6, "ratio_other": 0.5}
    assert found == pytest.approx(expected)


def test_what_noise_hides_is_not_a_number():
    gram = torch.eye(3).expand(2, 2, 3, 3) - 0.1  # draws point away from one another
    assert math.isnan(numbers(gram, 0, {"other": 1})["norm"])


def test_the_command_writes_a_table_and_a_figure(tmp_path):
    command = ["--updates", "0", "1", "--draws", "3", "--batch", "8", "--out", str(tmp_path)]
    assert main(command) == 0
    assert {p.name for p in tmp_path.iterdir()} == {
        f"theory_hypergradient.{kind}" for kind in ("csv", "png", "svg")
    }
    table = pd.read_csv(tmp_path / "theory_hypergradient.csv")
    assert set(table["update"]) == {0, 1} and len(table) == 2 * (len(STEPS) + 2)
    (long,) = table[(table["update"] == 0) & (table["steps"] == LONG)].to_dict("records")
    assert long["cosine_long"] == pytest.approx(1) and long["ratio_long"] == 1
    assert main([*command, "--draws", "1"]) == 2


def test_the_committed_table_is_of_the_shipped_settings():
    folder = Path(__file__).resolve().parent.parent / "results" / "committed" / "quick" / "figures"
    table = pd.read_csv(folder / "theory_hypergradient.csv")
    assert tuple(table["update"].unique()) == hypergradient.UPDATES
    unrolled = table.loc[table["gradient"] == "unrolled", "steps"]
    assert tuple(unrolled.unique()) == (*STEPS, LONG)
