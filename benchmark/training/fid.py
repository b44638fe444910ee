"""FID and KID of generated photographs: an extra to Figure 5, off unless a weight file is given.

Fréchet inception distance (Heusel et al. 2017) and kernel inception distance (Bińkowski et al.
2018) from the features of torch-fidelity's port of the TensorFlow Inception v3, which agrees with
the original scores; its weights come from a local file, nothing is downloaded. Published FIDs are
mostly of 50,000 samples against all images, and FID falls with their number: fewer, as is the
default, compare with each other only.

A finished run keeps no weights, so that its scores are taken at its end or never.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark.core.errors import UserError, first_line
from benchmark.data import family

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.core.run import Run

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"  # torch-fidelity's release 0.2.0
CHUNK = 16  # images at once: two seconds on a slow core, within which a signal is noticed
SUBSET = 1000  # of images, for each of KID's 100 estimates; torch-fidelity's default


class Fid(NamedTuple):
    """What is asked for. samples: how many are generated; as many images of the data, where there
    are so many, are what they are compared with.
    """

    weights: Path
    samples: int


def check(fid: Fid, runs: Sequence[Run]) -> None:
    """Before anything is trained. Raises UserError without a run to be scored, a usable file or the
    package.
    """
    if not any(family(run.data) == "photos" for run in runs):
        raise UserError("--fid-weights: no run is on photographs, which it is for")
    if not fid.weights.is_file():
        raise UserError(
            f"--fid-weights {fid.weights}: no such file; give torch-fidelity's {WEIGHTS}"
        )
    if importlib.util.find_spec("torch_fidelity") is None:
        raise UserError(
            "--fid-weights: FID needs torch-fidelity; python -m pip install -r requirements-fid.txt"
        )
    extractor(fid.weights, "cpu")


@cache
def extractor(weights: Path, device: str) -> Callable[[Tensor], Tensor]:
    """Images (N, 3, H, W), bytes -> features (N, 2048). Raises UserError on a file that is not the
    network's.
    """
    import torch

    try:
        # torch-fidelity unpickles whatever it is given: see first that it holds tensors only.
        torch.load(weights, weights_only=True, map_location="cpu")
        network = (
            package()
            .FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights)
            )
            .to(device)
        )
    except Exception as error:  # whatever an archive, a pickle or a network comes up with
        raise UserError(
            f"--fid-weights {weights}: not torch-fidelity's {WEIGHTS} ({first_line(error)})"
        ) from None
    return lambda images: network(images.to(device))[0].cpu()


def package():
    """torch-fidelity, after the torchvision that it imports."""
    from benchmark.data.vision import torchvision  # noqa: F401

    return importlib.import_module("torch_fidelity")


def features(
    images: Tensor, extract: Callable[[Tensor], Tensor], progress: Callable[[], None]
) -> Tensor:
    """Of images (N, 3, H, W), bytes. progress: called before every chunk."""
    import torch

    found = []
    for chunk in images.split(CHUNK):
        progress()
        found.append(extract(chunk))
    return torch.cat(found)


def unscored(out: Path, runs: Sequence[Run]) -> list[Run]:
    """Those on photographs that completed without scores."""
    from benchmark.store import sealed
    from benchmark.store.folder import RunFolder

    def lacks(run: Run) -> bool:
        folder = RunFolder(out, run, code="")
        found = sealed.read(folder.path)
        done = found is not None and found.provenance["status"] == "complete"
        return done and b",fid," not in found.metrics

    return [run for run in runs if family(run.data) == "photos" and lacks(run)]


_reference: dict[tuple, Tensor] = {}  # features of the data, once a process


def scores(
    fid: Fid, data: str, samples: Tensor, device: str, progress: Callable[[], None]
) -> dict[str, float]:
    """FID; KID, mean and standard deviation over subsets; and how many images on either side.

    samples: (N, 3, H, W) in [0, 1]. Raises UserError for a broken weight file or data.
    """
    from benchmark.data import photos

    extract = extractor(fid.weights, device)
    key = (fid, data, device)
    if key not in _reference:
        _reference[key] = features(photos.images(data)[: fid.samples], extract, progress)
    images = (samples.clamp(0, 1) * 255).round().byte()
    return distances(features(images, extract, progress), _reference[key])


def distances(ours: Tensor, reference: Tensor) -> dict[str, float]:
    """``scores`` from features (N, F) and (R, F), with torch-fidelity's arithmetic."""
    theirs = package()
    moments = [theirs.metric_fid.fid_features_to_statistics(x) for x in (ours, reference)]
    size = min(SUBSET, len(ours), len(reference))
    found = theirs.metric_fid.fid_statistics_to_metric(*moments, verbose=False)
    found |= theirs.metric_kid.kid_features_to_metric(
        ours, reference, kid_subset_size=size, verbose=False
    )
    return {
        "fid": found[theirs.KEY_METRIC_FID],
        "kid": found[theirs.KEY_METRIC_KID_MEAN],
        "kid_std": found[theirs.KEY_METRIC_KID_STD],
        "fid_samples": float(len(ours)),
        "fid_reference": float(len(reference)),
    }
