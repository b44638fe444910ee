"""The search for settings: the same for every subject, recorded, continued."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from benchmark import search
from benchmark.config import named_variants
from benchmark.job import parse_label
from benchmark.search import load, main, ranked, resolve, trials


def test_trials_are_the_same_at_every_call_and_begin_with_the_subject():
    space = {"K": [1, 2, 5], "M": [1, 5]}
    found = trials("lbt", space, 5)
    assert found == trials("lbt", space, 5) and found[0] == {} and len(found) == 5
    assert all(t["K"] in space["K"] and t["M"] in space["M"] for t in found[1:])
    assert found[:3] == trials("lbt", space, 3)  # more trials change none


def test_every_shipped_search_can_be_run():
    for dataset in ("students_ring",):
        for subject, space in load(dataset).items():
            for settings in trials(subject, space, 6):
                run = resolve(dataset, subject, settings)
                assert all(run.settings[k] == v for k, v in settings.items())


def row(subject, trial, modes, quality, kl):
    return dict(
        zip(search.COLUMNS, (subject, trial, "{}", 1, 1.0, modes, quality, kl), strict=False)
    )


def test_the_best_has_the_most_modes_then_both_other_metrics():
    rows = [row("gan", 0, 7, 99, 0.1), row("gan", 1, 8, 67, 0.60), row("gan", 2, 8, 96, 0.62)]
    rows += [row("gan", 3, 8, 93, 0.7), row("gan", 4, math.nan, math.nan, math.nan)]
    assert list(ranked(pd.DataFrame(rows))["trial"]) == [2, 1, 3, 0, 4]


def test_a_search_is_recorded_and_continued(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(search, "load", lambda dataset: {"gan": {"eta_psi": [1e-3]}})
    monkeypatch.setattr("benchmark.compile.Jit.__call__", lambda self, fn: fn)
    command = ["--seconds", "0.05", "--out", str(tmp_path)]
    assert main([*command, "--trials", "1"]) == 0
    first = pd.read_csv(tmp_path / "students_ring.csv")
    assert main([*command, "--trials", "2"]) == 0
    both = pd.read_csv(tmp_path / "students_ring.csv")
    assert list(both["trial"]) == [0, 1] and list(both["settings"]) == ["{}", '{"eta_psi": 0.001}']
    pd.testing.assert_frame_equal(both.iloc[:1], first)
    assert (both["updates"] > 1).all() and both["status"].eq("complete").all()
    assert main(["--dataset", "ringg"]) == 2
    assert "unknown dataset" in capsys.readouterr().err


@pytest.mark.parametrize("subject", sorted(load("students_ring")))
def test_what_is_shipped_is_the_best_recorded_trial(subject):
    """variants.yaml against results/search, for the ring."""
    import json

    table = ranked(pd.read_csv(search.ROOT / "results" / "search" / "students_ring.csv"))
    best = table[table["subject"] == subject].iloc[0]
    key, variant, _ = parse_label(subject)
    entry = named_variants()[key][variant or "tuned"]
    shipped = entry.get("settings", {}) | entry.get("on", {}).get("ring", {})
    assert json.loads(best["settings"]).items() <= shipped.items()
