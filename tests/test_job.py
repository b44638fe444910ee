"""Variants: methods named by their settings."""

from __future__ import annotations

import pytest

from benchmark.core.errors import UserError
from benchmark.data import DATASETS
from benchmark.experiments.job import Job
from benchmark.experiments.labels import parse_label
from benchmark.experiments.variants import named_variants


def test_a_variant_is_named_by_its_settings():
    assert parse_label("lbt[K=3,eta_phi=1e-3]") == ("lbt", "", {"K": 3, "eta_phi": 1e-3})
    job = Job("smoke", seeds=(0,))
    (run,) = job.runs("ring", "lbt[M=2,K=3]")
    assert run.label == "lbt[K=3,M=2]" and run.settings["K"] == 3 and run.settings["M"] == 2
    assert job.variant("ring", "lbt", K=run.settings["K"]) == "lbt[K=3]"
    assert job.variant("ring", "lbt", M=5) == "lbt"  # what the preset has anyway


@pytest.mark.parametrize(
    "label",
    [
        "lbt[K=3",
        "lbt[K]",
        "lbt[KK=3]",
        "lbtt[K=3]",
        "lbt[K=0]",
        "lbt[mogg]",
        "gan[mog]",
        "lbt[K=3,mog]",
    ],
)
def test_a_wrong_variant_is_refused(label):
    with pytest.raises(UserError):
        Job("smoke", seeds=(0,)).runs("ring", label)


def test_a_named_variant_has_its_settings_and_can_be_changed():
    job = Job("smoke", seeds=(0,))
    (run,) = job.runs("ring", "lbt[mog,K=3]")
    assert run.label == "lbt[mog,K=3]"
    assert run.settings["estimator"] == "mog" and run.settings["K"] == 3
    (changed,) = Job("smoke", ("lbt.M=7",), seeds=(0,)).runs("ring", "lbt[mog]")
    assert changed.label == "lbt[mog,M=7]" and changed.settings["M"] == 7


def test_what_a_file_sets_for_all_estimators_is_no_stray():
    (run,) = Job("smoke", seeds=(0,)).runs("estimators_stacked_mnist", "lbt_gan[pixelcnn,maps=8]")
    assert run.settings["estimator"] == "pixelcnn" and run.settings["latent"] == 16  # common
    # Named, but of a dataset that no run is asked of: toy1d's estimator has no latent.
    (run,) = Job("smoke", ("lbt.latent=5",), seeds=(0,)).runs("ring", "lbt")
    assert run.settings["latent"] == 5
    (run,) = Job("smoke", seeds=(0,)).runs("ring", "lbt[mog,estimator=vae,latent=5]")
    assert run.settings["estimator"] == "vae"


def test_every_shipped_variant_says_why_and_can_be_built():
    job = Job("paper", seeds=(0,))
    for method, variants in named_variants().items():
        for name, entry in variants.items():
            assert entry["why"] and set(entry) <= {"why", "settings", "on"}
            assert set(entry.get("on", {})) <= set(DATASETS)
            for dataset in entry.get("on", ["ring", "grid"]):
                job.runs(dataset, f"{method}[{name}]")
