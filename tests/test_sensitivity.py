"""The objective of Eq. 1 as a measurement, and Figure 6."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from conftest import build

from benchmark.artefacts import fig6
from benchmark.cli import main
from benchmark.experiments.job import Job
from methods import estimators, nets
from methods.base import Spec


def blind_vae():
    """A VAE whose decoder ignores the latent: its density is N(b, variance I), exactly."""
    spec = Spec((2,), 8, 4)
    estimator = estimators.build(spec, estimators.EstimatorConfig(latent=2, variance=0.25))
    encode = nets.encoder(spec, 4)
    decoder = torch.zeros(estimator.size - encode.size)
    decoder[-2:] = torch.tensor([0.5, -1.0])
    phi = torch.cat([estimator.init(torch.Generator().manual_seed(0))[: encode.size], decoder])
    return spec, estimator, phi


def test_bounds_are_ordered_and_the_weighted_one_is_exact_in_the_limit():
    spec, estimator, phi = blind_vae()
    generator = torch.Generator().manual_seed(1)
    x, eps = torch.randn(50, 2, generator=generator), torch.randn(50, 4000, 2, generator=generator)
    found = estimators.probe(spec, estimator).measure({"phi": phi}, x, eps[:, :25])
    assert found["data_elbo"] < found["data_iwae"]
    exact = torch.distributions.Normal(torch.tensor([0.5, -1.0]), 0.5).log_prob(x).sum(1)
    log_w = torch.stack([estimator.log_weight(phi, x, e) for e in eps.unbind(1)])
    # An encoder as it starts is within 0.1 of the prior, so that 4000 weights leave about 1e-2.
    bound = torch.logsumexp(log_w, 0) - torch.tensor(4000.0).log()
    assert (bound - exact).abs().max() < 0.1
    elbo = torch.stack([estimator.log_prob(phi, x, e) for e in eps.unbind(1)])
    assert (elbo.mean(0) - log_w.mean(0)).abs().max() < 0.1  # one expectation, with less noise


def test_an_exact_density_is_measured_without_noise():
    spec = Spec((1,), 3, 8)
    estimator = estimators.build(spec, estimators.EstimatorConfig(estimator="gaussian"))
    probe = estimators.probe(spec, estimator)
    assert probe.noise == (1, 0)
    x, phi = torch.tensor([[1.0], [2.0]]), torch.tensor([1.5])
    found = probe.measure({"phi": phi}, x, torch.empty(2, 1, 0))
    assert found["data_elbo"] == found["data_iwae"]
    assert torch.isclose(found["data_elbo"], torch.tensor(-0.125 - 0.918939))


def test_the_probe_is_taken_at_the_kept_estimator():
    """It depends on phi alone, whatever was unrolled."""
    method, spec = build("lbt")
    state = method.init(0)
    x = spec.push(torch.randn(method.probe.points, 3))
    eps = torch.randn(method.probe.points, *method.probe.noise)
    found = method.probe.measure(state, x, eps)
    assert found == method.probe.measure({"phi": state["phi"]}, x, eps)
    assert all(value.ndim == 0 and value.isfinite() for value in found.values())


def test_figure_6_compares_the_variants_over_paired_seeds(tmp_path):
    size = ["iterations=3", "batch=8", "eval_samples=500", "final_samples=500"]
    command = ["--preset", "smoke", "--jobs", "1", "--out", str(tmp_path)]
    command += [f"--set=ring_unrolling.{s}" for s in size]
    # A method without the measurement beside them must not disturb the tables.
    assert main([*command, "--dataset", "ring_unrolling", "--methods", "lbt,lbt[K=1],gan"]) == 0
    assert main([*command, "--report", "--reproduce", "fig6"]) == 0
    (folder,) = tmp_path.glob("smoke*")
    curves = pd.read_csv(folder / "metrics.csv")
    assert set(curves["dataset"]) == {"ring_unrolling"}
    assert {"data_elbo", "data_iwae"} <= set(curves["metric"])
    summary = pd.read_csv(folder / "summary.csv").query("metric == 'data_iwae'")
    assert set(summary["method"]) == {"lbt", "lbt[K=1]"}
    table = pd.read_csv(folder / "figures" / "fig6.csv").set_index(["variant", "bound"])
    assert set(table.index.get_level_values(0)) == {"lbt", "lbt[K=1]"}
    assert table.loc[("lbt", "data_iwae"), "difference"] == 0
    row = table.loc[("lbt[K=1]", "data_iwae")]
    assert row["seeds"] == 2 and row["low"] < row["mean"] < row["high"]


def test_the_data_s_own_log_density():
    """-(ln 8 + ln(2 pi e 0.1^2)) for modes that do not touch; theirs do, a little."""
    apart = -(2.0794 + 2.8379 - 4.6052)
    assert -0.01 < fig6.data_log_density(50_000) - apart < 0.03


@pytest.mark.parametrize("preset", ["smoke", "quick", "full", "paper"])
def test_plain_lbt_is_the_figure_s_default(preset):
    """Where a preset changed K or M, the figure would lie."""
    (run,) = Job(preset, seeds=(0,)).runs("ring_unrolling", "lbt")
    assert (run.settings["K"], run.settings["M"], run.data) == (5, 15, "ring")
