"""The 1D example: divergences by quadrature, their minima, descent on them (Figures 1, 7)."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from benchmark.__main__ import main
from benchmark.artefacts import fig1
from metrics import toy

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


def test_figure_1_needs_no_runs_and_ten_seconds(tmp_path):
    start = time.perf_counter()
    assert main(["--reproduce", "fig1", "--preset", "smoke", "--out", str(tmp_path)]) == 0
    assert time.perf_counter() - start < 10
    folder = tmp_path / "smoke" / "figures"
    assert {p.name for p in folder.iterdir()} == {"fig1.png", "fig1.svg", "fig1.csv"}
    assert (
        main(["--reproduce", "fig1", "--report", "--preset", "smoke", "--out", str(tmp_path)]) == 0
    )
