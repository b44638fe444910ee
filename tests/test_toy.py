"""The 1D example: divergences by quadrature, their minima, descent on them (Figures 1, 7)."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import torch
from faults import LONG
from scipy.integrate import quad
from scipy.stats import norm

from benchmark.artefacts import fig1, fig7
from benchmark.cli import main
from benchmark.data import load
from benchmark.experiments.job import Job
from benchmark.store.folder import RunFolder
from benchmark.training.loop import execute
from methods import estimators, nets
from methods.base import Spec
from metrics import toy, toy_metrics

needs_minutes = pytest.mark.skipif(
    not LONG, reason="ten minutes; claims judge committed runs of it. Set LBT_BENCH_LONG_TESTS"
)

PLACES = [(-3.1, -2.9), (-1.0, 2.5), (4.0, -5.5)]
DIVERGENCES = [(toy.js, toy.js_variation), (toy.kl, toy.kl_variation)]


def density(x, a, b):
    return (norm.pdf(x, a) + norm.pdf(x, b)) / 2


@pytest.mark.parametrize("a, b", PLACES)
def test_divergences_equal_adaptive_quadrature(a, b):
    def kl_terms(x):
        return density(x, *toy.DATA_MEANS) * np.log(density(x, *toy.DATA_MEANS) / density(x, a, b))

    def js_terms(x):
        p, g = density(x, *toy.DATA_MEANS), density(x, a, b)
        return (p * np.log(2 * p / (p + g)) + g * np.log(2 * g / (p + g))) / 2

    for ours, terms in ((toy.kl, kl_terms), (toy.js, js_terms)):
        # Beyond 16 the integrands are below 1e-30 times a logarithm.
        expected = quad(terms, -16, 16, epsabs=1e-11, epsrel=1e-11, limit=500)[0]
        assert abs(ours(a, b) - expected) < 1e-8


@pytest.mark.parametrize("value, variation", DIVERGENCES)
@pytest.mark.parametrize("a, b", PLACES)
def test_slope_equals_finite_differences(value, variation, a, b):
    h = 1e-5  # error h^2 from curvature, 1e-16 / h from rounding
    expected = [value(a + h, b) - value(a - h, b), value(a, b + h) - value(a, b - h)]
    assert np.allclose(toy.slope(variation, a, b), np.array(expected) / (2 * h), atol=1e-8)


def test_saturating_gradient_is_twice_that_of_js():
    ours = toy.slope(toy.saturating_variation, -1.0, 2.5)
    assert np.allclose(ours, 2 * toy.slope(toy.js_variation, -1.0, 2.5), atol=1e-12)


def test_js_has_the_collapsed_minimum_of_figure_1():
    found = fig1.minima("JS")
    assert len(found) == 6
    collapsed = found[found["collapsed"] & (found["a"] < found["b"])]
    row = collapsed[collapsed["a"] < 0].iloc[0]
    assert abs(row["a"] + 3.2508) < 1e-4 and abs(row["b"] + 2.6917) < 1e-4  # paper: -3.25, -2.69
    assert abs(row["nats"] - 0.21413) < 1e-5
    assert abs(row["eigenvalue_low"] - 0.010) < 1e-3 and abs(row["eigenvalue_high"] - 0.075) < 1e-3


def test_kl_has_only_the_two_global_minima():
    found = fig1.minima("KL")
    assert np.allclose(found[["a", "b"]], [(-3, 3), (3, -3)], atol=1e-6)
    assert not found["collapsed"].any() and found["nats"].abs().max() < 1e-8


def test_figure_1_needs_no_runs_and_seconds(tmp_path):
    start = time.perf_counter()
    assert main(["--reproduce", "fig1", "--preset", "smoke", "--out", str(tmp_path)]) == 0
    assert time.perf_counter() - start < 60
    folder = tmp_path / "smoke" / "figures"
    assert {p.name for p in folder.iterdir()} == {"fig1.png", "fig1.svg", "fig1.csv"}
    assert (
        main(["--reproduce", "fig1", "--report", "--preset", "smoke", "--out", str(tmp_path)]) == 0
    )


# End points by quadrature; only the saturating loss descends JS.
ENDS = {
    ("gan", "saturating"): (-3.2508, -2.6917),
    ("gan", "non-saturating"): (-3.151, -2.830),
    ("lbt_gan", "saturating"): (-3, 3),
    ("lbt_gan", "non-saturating"): (-3, 3),
}


@pytest.mark.parametrize("start", [(-3.1, -2.9), (-3.02, -2.98)])
@pytest.mark.parametrize("method, loss", ENDS)
def test_exact_descent_ends_where_it_should(method, loss, start):
    end = fig7.flow(method, loss, start).means[-1]
    assert np.allclose(end, ENDS[method, loss], atol=5e-4)  # the reference has four or five digits


def test_fitted_means_of_known_samples():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(500_000, 2, generator=generator)
    for low, high in ((-3.25, -2.69), (-1.0, 3.0)):
        x = torch.where(z[:, 0] < 0, low, high) + z[:, 1]
        found = toy_metrics(x.numpy())
        # Five standard errors: at this distance of the means, 0.004 (see toy_metrics).
        assert abs(found["mean_low"] - low) < 0.02 and abs(found["mean_high"] - high) < 0.02
        assert abs(found["js"] - toy.js(low, high)) < 0.01
    assert np.isnan(toy_metrics(np.array([0.0, np.nan]))["mean_low"])


def test_toy_generator_is_a_pair_with_gradients_in_both_means():
    net = nets.generator(Spec((1,), 3, 8), "toy")
    theta = net.init(torch.Generator())
    assert theta.tolist() == pytest.approx([-3.1, -2.9])
    z = torch.tensor([[-1.0, 0.5, 9.0], [1.0, 0.5, 9.0]])
    assert net.apply(theta, z).flatten().tolist() == pytest.approx([-2.6, -2.4])
    slopes = torch.func.jacrev(net.apply)(theta, z).squeeze(1)
    assert torch.equal(slopes, torch.eye(2))
    with pytest.raises(ValueError, match="toy generator"):
        nets.generator(Spec((2,), 3, 8), "toy")


def test_gaussian_estimator_by_hand():
    spec = Spec((1,), 3, 8)
    estimator = estimators.build(spec, estimators.EstimatorConfig(estimator="gaussian"))
    phi, x = torch.tensor([0.7]), torch.tensor([[0.2], [-4.0]])
    ours = estimator.log_prob(phi, x, torch.empty(2, 0))
    expected = norm.logpdf(x.flatten().double().numpy(), 0.7)
    assert np.allclose(ours, expected, atol=1e-6)  # float32
    assert torch.equal(estimator.init(torch.Generator()), torch.zeros(1))
    assert estimator.sample(phi, torch.zeros(3, 3)).shape == (3, 1)


def test_the_data_are_the_example():
    dataset = load("toy1d")
    x = dataset.push(torch.randn(400_000, 2, generator=torch.Generator().manual_seed(0)))
    found = dataset.evaluate(x)
    assert abs(found["mean_low"] + 3) < 0.02 and abs(found["mean_high"] - 3) < 0.02  # 5 errors


def trained(tmp_path, label: str, iterations: int) -> pd.DataFrame:
    """Means of one seed's generator by step, from the ordinary loop."""
    size = (f"toy1d.iterations={iterations}", "toy1d.batch=512", "toy1d.eval_samples=500000")
    size += ("toy1d.final_samples=500000", "toy1d.evaluations=10")
    (run,) = Job("smoke", size, seeds=(0,)).runs("toy1d", label)
    folder = RunFolder(tmp_path, run, "code")
    folder.open()
    assert execute([run], [folder]) == ["complete"]
    rows = pd.read_csv(folder.path / "metrics.csv")
    return rows.pivot_table(index="step", columns="metric", values="value")


@pytest.mark.parametrize("method, steps, leaves", [("gan", 500, False), ("lbt_gan", 200, True)])
def test_sampled_lbt_gan_leaves_the_collapsed_minimum_and_gan_does_not(
    tmp_path, method, steps, leaves
):
    found = trained(tmp_path, method, steps).loc[steps]
    assert (found["mean_low"] > -2.6) == leaves
    assert leaves or -3 < found["mean_high"] < -2.55


@needs_minutes
@pytest.mark.parametrize("loss", fig7.LOSSES)
def test_sampled_gan_ends_in_the_collapsed_minimum(tmp_path, loss):
    suffix = fig7.LOSSES[loss][0]
    found = trained(tmp_path, f"gan{suffix}", 10_000).loc[5000:, ["mean_low", "mean_high"]].mean()
    # Averaged over the second half, the discriminator's lag leaves about 0.05.
    assert np.allclose(found, ENDS["gan", loss], atol=0.08)


@needs_minutes
@pytest.mark.parametrize("loss", fig7.LOSSES)
def test_sampled_lbt_gan_reaches_the_data(tmp_path, loss):
    suffix = fig7.LOSSES[loss][0]
    found = trained(tmp_path, f"lbt_gan{suffix}", 10_000).loc[10_000]
    assert abs(found["mean_low"] + 3) < 0.1 and abs(found["mean_high"] - 3) < 0.1


def test_figure_7_draws_its_exact_part_without_runs(tmp_path):
    command = ["--reproduce", "fig7", "--preset", "ring-authors-batch", "--out", str(tmp_path)]
    assert main(command) == 0
    table = pd.read_csv(tmp_path / "ring-authors-batch" / "figures" / "fig7.csv")
    assert len(table) == 4 and set(table["version"]) == {"exact"}
