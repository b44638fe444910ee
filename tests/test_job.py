"""Variants: methods named by their settings."""

from __future__ import annotations

import pytest

from benchmark.errors import UserError
from benchmark.job import Job, parse_label


def test_a_variant_is_named_by_its_settings():
    assert parse_label("lbt[K=3,eta_phi=1e-3]") == ("lbt", {"K": 3, "eta_phi": 1e-3})
    job = Job("smoke", seeds=(0,))
    (run,) = job.runs("ring", "lbt[M=2,K=3]")
    assert run.label == "lbt[K=3,M=2]" and run.settings["K"] == 3 and run.settings["M"] == 2
    assert job.variant("ring", "lbt", K=run.settings["K"]) == "lbt[K=3]"
    assert job.variant("ring", "lbt", M=5) == "lbt"  # what the preset has anyway


@pytest.mark.parametrize("label", ["lbt[K=3", "lbt[K]", "lbt[KK=3]", "lbtt[K=3]", "lbt[K=0]"])
def test_a_wrong_variant_is_refused(label):
    with pytest.raises(UserError):
        Job("smoke", seeds=(0,)).runs("ring", label)
