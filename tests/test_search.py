"""The search for settings: the same for every subject, recorded, continued."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from benchmark.experiments.job import Job
from benchmark.experiments.labels import parse_label
from benchmark.experiments.variants import named_variants
from benchmark.tools import search
from benchmark.tools.search import findings, load, main, ranked, resolve, trials, usable

ROOT = Path(__file__).resolve().parent.parent


def test_trials_are_the_same_at_every_call_and_begin_with_the_subject():
    space = {"K": [1, 2, 5], "M": [1, 5]}
    found = trials("lbt", space, 5)
    assert found == trials("lbt", space, 5) and found[0] == {} and len(found) == 5
    assert all(t["K"] in space["K"] and t["M"] in space["M"] for t in found[1:])
    assert found[:3] == trials("lbt", space, 3)  # more trials change none


def test_trial_0_is_the_authors_own_where_they_differ():
    for method in ("veegan", "pacgan", "ali"):
        first, *drawn = trials(method, {"eta_theta": [0.5]}, 3)
        assert (
            resolve("estimators_ring", method, first).settings
            == resolve("estimators_ring", f"{method}[authors]", {}).settings
        )
        assert first["eta_theta"] != 0.5 and drawn == [{"eta_theta": 0.5}] * 2
    assert trials("lbt_gan", {}, 1) == trials("lbt[mog]", {}, 1) == [{}]


def test_every_shipped_search_can_be_run():
    for dataset in ("estimators_ring", "estimators_grid"):
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
    assert list(ranked(pd.DataFrame(rows), "estimators_ring")["trial"]) == [2, 1, 3, 0, 4]


def test_a_blob_has_no_modes_to_its_credit():
    rows = [row("gan", 0, 8, 29, 1.4), row("gan", 1, 7, 37, 1.3), row("gan", 2, 3, 60, 2.0)]
    assert list(ranked(pd.DataFrame(rows), "estimators_ring")["trial"]) == [2, 1, 0]
    assert list(ranked(pd.DataFrame(rows), "estimators_grid")["trial"]) == [0, 1, 2]


def test_a_search_that_never_learned_has_no_usable_trial():
    rows = [row("ali", 0, 8, 49.9, 1.4), row("ali", 1, 8, 20, 1.0)]
    rows += [row("gan", 0, 8, 49.9, 0.1), row("gan", 1, 3, 50, 2.0), row("gan", 2, 2, 60, 1.0)]
    table = pd.DataFrame(rows)
    assert list(usable(table, "estimators_ring")["trial"]) == [1, 2]
    assert findings(table, "estimators_ring") == ["ali: no usable trial", "gan: trial 1, {}"]


def test_a_search_is_recorded_and_continued(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(search, "load", lambda dataset: {"gan": {"eta_psi": [1e-3]}})
    monkeypatch.setattr("benchmark.training.compile.Jit.__call__", lambda self, fn: fn)
    command = ["--seconds", "0.05", "--out", str(tmp_path)]
    assert main([*command, "--trials", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "gan: no usable trial"
    first = pd.read_csv(tmp_path / "estimators_ring.csv")
    assert main([*command, "--trials", "2"]) == 0
    both = pd.read_csv(tmp_path / "estimators_ring.csv")
    assert list(both["trial"]) == [0, 1] and list(both["settings"]) == ["{}", '{"eta_psi": 0.001}']
    pd.testing.assert_frame_equal(both.iloc[:1], first)
    assert (both["updates"] > 1).all() and both["status"].eq("complete").all()
    assert main(["--dataset", "ringg"]) == 2
    assert "unknown experiment" in capsys.readouterr().err


def test_a_search_of_other_seconds_is_not_continued(tmp_path, capsys):
    table = pd.DataFrame([row("gan", 0, 8, 90, 0.1)], columns=search.COLUMNS)
    table.to_csv(tmp_path / "estimators_ring.csv", index=False)
    assert main(["--seconds", "25", "--out", str(tmp_path)]) == 2
    assert "its trials took 1 s" in capsys.readouterr().err


SEARCHED = [
    (dataset, subject)
    for dataset in ("estimators_ring", "estimators_grid")
    for subject in load(dataset)
]


BESIDE_HAND = {("estimators_grid", "lbt[mog]"): "lbt[searched]"}  # lbt[mog] was found by hand there


def best_trial(dataset, subject):
    """Where all trials on the grid are blobs, the ring's count there."""
    table = ranked(pd.read_csv(ROOT / "results" / "search" / f"{dataset}.csv"), dataset)
    own = table[table["subject"] == subject]
    if dataset == "estimators_grid" and own["high_quality_pct"].max() < search.BLOB[dataset]:
        return best_trial("estimators_ring", subject)
    return own.iloc[0]


@pytest.mark.parametrize(("dataset", "subject"), SEARCHED)
def test_what_is_shipped_without_a_usable_trial_says_so(dataset, subject):
    key, variant, _ = parse_label(subject)
    table = pd.read_csv(ROOT / "results" / "search" / f"{dataset}.csv")
    learned = subject in set(usable(table, dataset)["subject"])
    label = BESIDE_HAND.get((dataset, subject), f"{key}[{variant or 'tuned'}]")
    why = named_variants()[key][parse_label(label).variant]["why"]
    place = dataset.removeprefix("estimators_")
    assert learned or f"no usable trial on the {place}" in why.lower()


@pytest.mark.parametrize(("dataset", "subject"), SEARCHED)
def test_what_is_shipped_is_the_best_recorded_trial(dataset, subject):
    """variants.yaml against results/search: every setting of the run, not only those searched."""
    best = best_trial(dataset, subject)
    key, variant, _ = parse_label(subject)
    label = BESIDE_HAND.get((dataset, subject), f"{key}[{variant or 'tuned'}]")
    shipped = Job(search.PRESET, seeds=(search.SEED,)).runs(dataset, label)
    wanted = resolve(dataset, subject, json.loads(best["settings"])).settings
    # Steps that shrink need a known end, which a trial by time has not.
    assert shipped[0].settings == wanted | {"anneal": shipped[0].settings["anneal"]}
