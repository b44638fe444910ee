"""What decides the numbers of a run, besides the code: no move and no new setting may change it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd

from benchmark.experiments.job import Job
from benchmark.experiments.presets import preset_names

TABLE = Path(__file__).with_name("identities.csv")


def identities() -> pd.DataFrame:
    """A row per preset, dataset and method: the hash of its first seed's identity."""
    rows = []
    for preset in preset_names():
        job = Job(preset, seeds=(0,))
        for dataset in job.preset.datasets:
            named = job.budget(dataset).updates
            for method in dict.fromkeys([*named, *job.usual]):
                text = json.dumps(job.runs(dataset, method)[0].identity(), sort_keys=True)
                digest = hashlib.sha256(text.encode()).hexdigest()[:16]
                rows.append((preset, dataset, method, digest))
    return pd.DataFrame(rows, columns=["preset", "dataset", "method", "identity"])


def test_every_run_is_the_run_it_was():
    pd.testing.assert_frame_equal(identities(), pd.read_csv(TABLE))
