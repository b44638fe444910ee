"""Metrics: samples in, plain numbers out. They know nothing of methods or of the benchmark."""

from __future__ import annotations

import math
from typing import NamedTuple

from metrics.mixture import mixture_metrics
from metrics.stacked_mnist import stacked_mnist_metrics
from metrics.toy import toy_metrics


class Metric(NamedTuple):
    """How a number is shown. label: for axes and tables. higher_is_better. miss: the value that a
    diverged run counts as in tables. digits: after the point. headline: whether it has a column of
    its own in printed tables; summary.csv holds all.
    """

    label: str
    higher_is_better: bool
    miss: float
    digits: int
    headline: bool = True


METRICS = {
    "modes_covered": Metric("modes covered", True, 0.0, 1),
    "high_quality_pct": Metric("high quality (%)", True, 0.0, 1),
    "intra_mode_kl": Metric("intra-mode KL (nats)", False, math.inf, 2),
    "intra_mode_kl_reverse": Metric("reverse intra-mode KL (nats)", False, math.inf, 2, False),
    "modes_in_kl": Metric("modes in KL", True, 0.0, 1, False),
    "data_elbo": Metric("log p_E of the data, ELBO (nats)", True, -math.inf, 2, False),
    "data_iwae": Metric("log p_E of the data (nats)", True, -math.inf, 2, False),
    "mean_low": Metric("lower mean", True, math.nan, 2),
    "mean_high": Metric("upper mean", True, math.nan, 2),
    "js": Metric("JS (nats)", False, math.log(2), 3),
    "kl": Metric("KL (nats)", False, math.inf, 2),
    "smnist_modes": Metric("modes of 1,000", True, 0.0, 1),
    "smnist_kl": Metric("KL to uniform (nats)", False, math.inf, 2),
    # Of photographs, on request (training/fid.py); how many images they are of goes with them.
    "fid": Metric("FID", False, math.inf, 1),
    "kid": Metric("KID", False, math.inf, 4),
    "fid_samples": Metric("samples in FID", True, 0.0, 0),
    "fid_reference": Metric("real images in FID", True, 0.0, 0),
}
HEADLINES = {name: metric for name, metric in METRICS.items() if metric.headline}

__all__ = [
    "HEADLINES",
    "METRICS",
    "Metric",
    "mixture_metrics",
    "stacked_mnist_metrics",
    "toy_metrics",
]
