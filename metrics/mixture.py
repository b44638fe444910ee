"""Mode coverage and quality of 2D samples against a known mixture (paper section 5.1).

Departures: none from the text. Where it is silent: a mode that few samples fell into by chance is
left out of the intra-mode KL, and how many modes were averaged is reported; the paper's "greater
than" 20 % is taken over its later "at least".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CHUNK = 65_536  # rows of the distance matrix held at once: 26 MB for 100 modes in float32
COVERED_SHARE = 0.2  # of the expected count; paper section 5.1
QUALITY_STDS = 3.0  # paper section 5.1
# Fewest samples that a mode's Gaussian is fitted to. Three strays have a covariance, and a KL of
# any size; 20 samples of the mode itself have one of 0.2 nats on average.
MIN_SAMPLES, MIN_SHARE = 20, 0.01  # MIN_SHARE: of the expected count


def mixture_metrics(samples, centers, std: float) -> dict[str, float]:
    """The paper's three metrics, and what is needed to read them.

    samples: (N, 2) array or tensor. centers: (C, 2). std: of every isotropic component.

    Returns
      modes_covered: modes with more than 20 % of N / C high-quality samples.
      high_quality_pct: share of samples within 3 std of the nearest mode, percent. A perfect
        sampler scores 100 (1 - exp(-4.5)) = 98.89.
      intra_mode_kl: mean over modes of KL(true || Gaussian fitted to all samples nearest to the
        mode), nats, over the modes to which at least 1 % of N / C samples are nearest, and no fewer
        than 20; NaN if there is none, infinite if a fitted covariance is singular.
      intra_mode_kl_reverse: the same with the arguments swapped.
      modes_in_kl: how many modes those two average over: without it they say nothing of what
        is lost.
      modes: C.
      nonfinite: samples with a NaN or infinite coordinate. They count in N and nowhere else.

    Raises ValueError on other shapes, no samples, or a std that is not positive.
    """
    samples = torch.as_tensor(samples)
    samples = samples if samples.is_floating_point() else samples.double()
    centers = torch.as_tensor(centers, dtype=samples.dtype, device=samples.device)
    if samples.ndim != 2 or samples.shape[1] != 2 or len(samples) == 0:
        raise ValueError(f"samples must have shape (N, 2) with N > 0, got {tuple(samples.shape)}")
    if centers.ndim != 2 or centers.shape[1] != 2 or len(centers) == 0:
        raise ValueError(f"centers must have shape (C, 2) with C > 0, got {tuple(centers.shape)}")
    if not std > 0 or not math.isfinite(std):
        raise ValueError(f"std must be a positive number, got {std}")
    finite = samples[samples.isfinite().all(dim=1)]
    distance, mode = _nearest(finite, centers)
    good = mode[distance <= QUALITY_STDS * std]
    per_mode = torch.bincount(good, minlength=len(centers))
    least = max(MIN_SAMPLES, MIN_SHARE * len(samples) / len(centers))
    kept = torch.bincount(mode, minlength=len(centers)) >= least
    forward, reverse = _intra_mode_kl((finite - centers[mode]).double(), mode, kept, std)
    return {
        "modes_covered": int((per_mode > COVERED_SHARE * len(samples) / len(centers)).sum()),
        "high_quality_pct": 100 * len(good) / len(samples),
        "intra_mode_kl": float(forward.mean()),
        "intra_mode_kl_reverse": float(reverse.mean()),
        "modes_in_kl": len(forward),
        "modes": len(centers),
        "nonfinite": len(samples) - len(finite),
    }


def _nearest(samples: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to and index of the nearest center, each (N,)."""
    parts = [
        torch.cdist(part, centers, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
        for part in samples.split(CHUNK)
    ]
    return torch.cat([p.values for p in parts]), torch.cat([p.indices for p in parts])


def _intra_mode_kl(offset: Tensor, mode: Tensor, kept: Tensor, std: float) -> tuple[Tensor, Tensor]:
    """KL(true || fit) and KL(fit || true) of each mode that is kept, nats.

    offset: (N, 2), samples minus the center of their mode. kept: (C,), bool. With r = S / std^2 and
    d = m / std,

        KL(true || fit) = (tr r^-1 + d' r^-1 d - 2 + ln det r) / 2
        KL(fit || true) = (tr r    + d' d      - 2 - ln det r) / 2
    """
    count = torch.bincount(mode, minlength=len(kept))
    offset = offset / std

    def mean(values: Tensor) -> Tensor:
        return torch.bincount(mode, weights=values, minlength=len(kept))[kept] / count[kept]

    dx, dy = mean(offset[:, 0]), mean(offset[:, 1])
    centred = offset - torch.stack([_spread(dx, kept), _spread(dy, kept)], dim=1)[mode]
    xx, yy = mean(centred[:, 0].square()), mean(centred[:, 1].square())
    xy = mean(centred[:, 0] * centred[:, 1])
    det = xx * yy - xy.square()
    maha = (yy * dx.square() - 2 * xy * dx * dy + xx * dy.square()) / det
    forward = ((xx + yy) / det + maha - 2 + det.log()) / 2
    reverse = (xx + yy + dx.square() + dy.square() - 2 - det.log()) / 2
    singular = det <= 0
    forward[singular], reverse[singular] = math.inf, math.inf
    return forward, reverse


def _spread(values: Tensor, kept: Tensor) -> Tensor:
    """Values of the kept modes at their place among all modes, 0 elsewhere."""
    return torch.zeros(len(kept), dtype=values.dtype, device=values.device).masked_scatter(
        kept, values
    )
