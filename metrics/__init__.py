"""Metrics: samples in, plain numbers out. They know nothing of methods or of the benchmark.

A new one is a function, an entry in METRICS, and a call in the ``evaluate`` of the data it is for.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from metrics.mixture import mixture_metrics
from metrics.stacked_mnist import N_MODES, stacked_mnist_metrics
from metrics.toy import toy_metrics
from metrics.wasserstein import sliced_wasserstein, wasserstein_metrics

ANY, POSITIVE, PERCENT = (-math.inf, math.inf), (0.0, math.inf), (0.0, 100.0)
STACKS, STACKS_KL = (0.0, float(N_MODES)), (0.0, math.log(N_MODES))


class Metric(NamedTuple):
    """How a number is shown. label: for axes and tables. higher_is_better. miss: the value that a
    diverged run counts as in tables. digits: after the point. headline: whether it has a column of
    its own in printed tables; summary.csv holds all.

    support: the least and the greatest possible value. of: the metric that counts of how many this
    one counts some, which is its greatest value on that data. over: the metric that counts what
    this one is averaged over; where that is not all of them, tables say so. summary: what stands
    for several seeds, the mean with its t interval, or of heavy-tailed values, whose mean is the
    worst seed's, the median with the range. constant: whether it is of the data and not of the run:
    a line in a chart, no curve. log: whether an axis of it is logarithmic.
    """

    label: str
    higher_is_better: bool
    miss: float
    digits: int
    headline: bool = True
    support: tuple[float, float] = ANY
    of: str | None = None
    over: str | None = None
    summary: Literal["mean", "median"] = "mean"
    constant: bool = False
    log: bool = False


METRICS = {
    "modes_covered": Metric("modes covered", True, 0.0, 1, support=POSITIVE, of="modes"),
    "high_quality_pct": Metric("high quality (%)", True, 0.0, 1, support=PERCENT),
    "intra_mode_kl": Metric(
        "intra-mode KL (nats)",
        False,
        math.inf,
        2,
        support=POSITIVE,
        over="modes_in_kl",
        summary="median",
        log=True,
    ),
    "intra_mode_kl_reverse": Metric(
        "reverse intra-mode KL (nats)",
        False,
        math.inf,
        2,
        False,
        support=POSITIVE,
        over="modes_in_kl",
        summary="median",
        log=True,
    ),
    "modes_in_kl": Metric("modes in KL", True, 0.0, 1, False, support=POSITIVE, of="modes"),
    "modes": Metric("modes of the data", True, math.nan, 0, False, POSITIVE, constant=True),
    "sliced_w2": Metric("sliced W2 (data units)", False, math.inf, 3, support=POSITIVE, log=True),
    "sliced_w2_floor": Metric(
        "sliced W2 of a perfect sampler", False, math.nan, 3, False, POSITIVE, constant=True
    ),
    "data_elbo": Metric(
        "log p_E of the data, ELBO (nats)", True, -math.inf, 2, False, summary="median"
    ),
    "data_iwae": Metric("log p_E of the data (nats)", True, -math.inf, 2, False, summary="median"),
    "mean_low": Metric("lower mean", True, math.nan, 2),
    "mean_high": Metric("upper mean", True, math.nan, 2),
    "js": Metric("JS (nats)", False, math.log(2), 3, support=(0.0, math.log(2))),
    "kl": Metric("KL (nats)", False, math.inf, 2, support=POSITIVE),
    "smnist_modes": Metric("modes of 1,000", True, 0.0, 1, support=STACKS),
    "smnist_kl": Metric("KL to uniform (nats)", False, math.log(N_MODES), 2, support=STACKS_KL),
    "smnist_effective_modes": Metric(
        "effective modes of 1,000", True, 1.0, 1, False, support=(1.0, float(N_MODES))
    ),
    # Of stacks of which all three channels are digits beyond doubt (metrics/likeness.py).
    "smnist_certain_modes": Metric("certain modes of 1,000", True, 0.0, 1, support=STACKS),
    "smnist_certain_kl": Metric(
        "KL of certain stacks to uniform (nats)", False, math.log(N_MODES), 2, False, STACKS_KL
    ),
    "smnist_certain_pct": Metric("certain stacks (%)", True, 0.0, 1, False, PERCENT),
    # Of the same stacks under the classifier in training mode, the authors' way.
    "smnist_training_modes": Metric(
        "modes of 1,000, classifier in training mode", True, 0.0, 1, False, STACKS
    ),
    "smnist_training_kl": Metric(
        "KL to uniform, classifier in training mode (nats)",
        False,
        math.log(N_MODES),
        2,
        False,
        STACKS_KL,
    ),
    # Of photographs, on request (training/fid.py); how many images they are of goes with them.
    "fid": Metric("FID", False, math.inf, 1, support=POSITIVE),
    "kid": Metric("KID", False, math.inf, 4),  # unbiased, so that it may be negative
    "fid_samples": Metric("samples in FID", True, 0.0, 0, support=POSITIVE),
    "fid_reference": Metric("real images in FID", True, 0.0, 0, support=POSITIVE),
}
HEADLINES = {name: metric for name, metric in METRICS.items() if metric.headline}

__all__ = [
    "HEADLINES",
    "METRICS",
    "Metric",
    "mixture_metrics",
    "sliced_wasserstein",
    "stacked_mnist_metrics",
    "toy_metrics",
    "wasserstein_metrics",
]
