"""A finished run is what it wrote, or is named as damaged."""

from __future__ import annotations

import json
import os
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TINY
from faults import ROOT, unsealed

from benchmark.cli import main
from benchmark.core.files import read_json, write_json
from benchmark.results.collect import collect
from benchmark.results.view import Results
from benchmark.store import sealed
from benchmark.store.folder import run_folders

COMMAND = ["--methods", "gan,oracle", *TINY]
# What one line must say where a file of an older run is not what a run writes.
BAD_RECORD = {
    "a list": b"[1]",
    "nested": b'{"status": ' + b"[" * 200_000,
    "no status": b"{}",
    "another status": b'{"status": "splendid"}',
    "seconds as text": b'{"status": "complete", "train_seconds": "1"}',
    "steps as a list": b'{"status": "complete", "steps": [1]}',
    "a number without end": b'{"status": "complete", "train_seconds": 1e999}',
    "400 digits": b'{"status": "complete", "steps": 1' + b"0" * 400 + b"}",
    "NaN": b'{"status": "complete", "train_seconds": NaN}',
    "a lone surrogate": b'{"status": "complete", "hardware": "\\ud800"}',
    "text": b"\xff\x00",
}
BAD_SETTINGS = {
    "nested": b'{"settings": ' + b"[" * 200_000,
    "400 digits": b'{"budget": {"iterations": 1' + b"0" * 400 + b"}}",
    "a slash": b'{"fingerprint": "../../x"}',
    "a null byte": b'{"fingerprint": "a\\u0000b"}',
    "a budget of text": b'{"budget": {"iterations": "many"}}',
    "settings as a list": b'{"settings": [1]}',
}
HEAD = b"step,seconds,metric,value\n"
BAD_METRICS = {
    "text as a step": HEAD + b"many,0.0,modes_covered,3.0\n",
    "no step": HEAD + b",0.0,modes_covered,3.0\n",
    "NaN as a step": HEAD + b"nan,0.0,modes_covered,3.0\n",
    "infinite step": HEAD + b"inf,0.0,modes_covered,3.0\n",
    "a step below 0": HEAD + b"-1,0.0,modes_covered,3.0\n",
    "infinite seconds": HEAD + b"1,inf,modes_covered,3.0\n",
    "text as a value": HEAD + b"1,0.0,modes_covered,three\n",
    "more columns": HEAD + b"1,0.0,modes_covered,3.0,4.0\n",
    "another column": b"step,seconds,metric,value,more\n1,0.0,modes_covered,3.0,1\n",
    "no rows": HEAD,
    "nothing": b"",
}
BAD = {
    "provenance.json": BAD_RECORD,
    "settings.json": BAD_SETTINGS,
    "metrics.csv": BAD_METRICS,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Two methods, two seeds."""
    out = tmp_path_factory.mktemp("trained")
    assert main([*COMMAND, "--out", str(out)]) == 0
    return out


@pytest.fixture
def copy(trained, tmp_path) -> Path:
    return shutil.copytree(trained, tmp_path / "copy")


def run_of(out: Path, label: str = "gan", seed: int = 0) -> Path:
    return next(out.glob(f"smoke*/runs/ring/{label}/seed{seed}"))


def refused(out: Path, capsys, *options: str) -> str:
    """The one line that a command ends with, on standard error, before it printed a number."""
    capsys.readouterr()
    assert main([*COMMAND, *options, "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and said.err.count("\n") == 1, said
    return said.err


def shortened(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))


def test_metrics_cut_short_are_named_and_trained_again_on_request(copy, capsys):
    whole = collect(copy, run_of(copy).parts[-5])
    path = run_of(copy) / "metrics.csv"
    shortened(path)
    for options in (["--report"], [], ["--plan"]):
        assert f"{path}: damaged (it has " in refused(copy, capsys, *options)
    assert main([*COMMAND, "--methods", "gan", "--seeds", "0", "--force", "--out", str(copy)]) == 0
    again = collect(copy, run_of(copy).parts[-5])
    columns = ["method", "seed", "step", "metric", "value"]
    pd.testing.assert_frame_equal(whole[columns], again[columns])
    shortened(path)
    shutil.rmtree(path.parent)
    assert main([*COMMAND, "--out", str(copy)]) == 0


@pytest.mark.parametrize("name", ["settings.json", "metrics.csv", "provenance.json"])
def test_a_changed_digit_is_named(name, copy, capsys):
    path = run_of(copy) / name
    text = path.read_text()
    place = next(i for i in range(len(text) // 2, len(text)) if text[i] in "12345678")
    path.write_text(text[:place] + str(int(text[place]) + 1) + text[place + 1 :])
    assert f"{path}: damaged" in refused(copy, capsys, "--report")


def test_files_of_another_run_are_named(copy, capsys):
    mine, other = run_of(copy), run_of(copy, "oracle")
    shutil.copy(other / "metrics.csv", mine / "metrics.csv")
    assert f"{mine / 'metrics.csv'}: damaged" in refused(copy, capsys, "--report")
    shutil.rmtree(mine)
    shutil.copytree(other, mine)
    assert "it is of ring/oracle/seed0" in refused(copy, capsys, "--report")


@pytest.mark.parametrize("name", ["provenance.json", "metrics.csv", "settings.json"])
@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_what_is_no_file_is_named(name, kind, copy, tmp_path, capsys):
    path = run_of(copy) / name
    elsewhere = shutil.copy(path, tmp_path / "elsewhere")
    path.unlink()
    {
        "link": lambda: path.symlink_to(elsewhere),
        "dangling": lambda: path.symlink_to(tmp_path / "nothing"),
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
    }[kind]()
    assert str(path) in refused(copy, capsys, "--report")


@pytest.mark.parametrize("level", range(5))
def test_nothing_is_read_or_written_through_a_link(level, copy, tmp_path, capsys):
    """The run's folder, its method's, its data's, runs, and the preset's."""
    path = [run_of(copy), *run_of(copy).parents][level]
    elsewhere = shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(elsewhere)
    before = {p: p.stat().st_mtime_ns for p in Path(elsewhere).rglob("*")}
    for options in (["--report"], [], ["--force"]):
        assert f"{path}: is a link" in refused(copy, capsys, *options)
    assert before == {p: p.stat().st_mtime_ns for p in Path(elsewhere).rglob("*")}


@pytest.mark.parametrize("name", ["figures", "tables", ".report.lock"])
def test_no_report_is_written_through_a_link(name, copy, tmp_path, capsys):
    path, elsewhere = run_of(copy).parents[3] / name, tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".fig2.png.x.part").write_text("mine")
    if path.is_dir():
        shutil.rmtree(path)
    path.symlink_to(elsewhere)
    assert f"{path}: is a link" in refused(copy, capsys, "--report")
    assert [p.name for p in elsewhere.iterdir()] == [".fig2.png.x.part"]


@pytest.mark.parametrize(
    "name, case",
    [(name, case) for name in BAD for case in BAD[name]],
)
def test_an_older_run_that_no_run_wrote_is_named_in_one_line(name, case, copy, capsys):
    run = run_of(copy)
    unsealed(run)
    (run / name).write_bytes(BAD[name][case])
    assert str(run / name) in refused(copy, capsys, "--report")
    if name != "metrics.csv":
        assert str(run / name) in refused(copy, capsys, "--plan")


def test_an_older_run_is_read_as_before(trained, copy):
    for run in copy.glob("smoke*/runs/*/*/seed*"):
        unsealed(run)
    preset = run_of(copy).parts[-5]
    pd.testing.assert_frame_equal(collect(copy, preset), collect(trained, preset))


@pytest.mark.parametrize("name", ["seed²", "seed٣", "seed00", "seed-1", "seed1.5", "seed"])
def test_a_folder_that_is_no_seed_is_none(name, copy, trained):
    shutil.copytree(run_of(copy), run_of(copy).with_name(name))
    preset = run_of(copy).parts[-5]
    pd.testing.assert_frame_equal(collect(copy, preset), collect(trained, preset))


def test_a_name_that_is_no_utf_8_is_refused(copy, capsys):
    run = run_of(copy)
    os.rename(run.parent, os.fsencode(run.parent.parent) + b"/gan\xff")
    assert "its name is no UTF-8" in refused(copy, capsys, "--report")


def test_losses_may_have_any_name(tmp_path):
    folder = tmp_path / "mine" / "runs" / "ring" / "gan" / "seed0"
    write_json(folder / "provenance.json", {"status": "complete"})
    rows = [f"1,0.0,{name},1.5" for name in ("NA", "null", "nan", "modes_covered", '""')]
    (folder / "metrics.csv").write_text("\n".join(["step,seconds,metric,value", *rows, ""]))
    table = collect(tmp_path, "mine")
    assert set(table["metric"]) == {"NA", "null", "nan", "modes_covered", ""}
    assert (table["value"] == 1.5).all()


def bomb(path: Path) -> None:
    """Less than a megabyte that unpacks to 800."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open("counts.npy", "w", force_zip64=True) as file:
            shape = {"descr": "<u1", "fortran_order": False, "shape": (800, 10**6)}
            np.lib.format.write_array_header_1_0(file, shape)
            for _ in range(800):
                file.write(bytes(10**6))


@pytest.mark.parametrize("kind", ["truncated", "bomb", "empty", "pickle"])
@pytest.mark.parametrize("older", [True, False])
def test_damaged_samples_are_named(kind, older, copy, capsys):
    run = run_of(copy)
    path = run / "samples.npz"
    if kind == "bomb":
        bomb(path)
        assert path.stat().st_size < 10**6
    elif kind == "pickle":
        np.savez(path, counts=np.array([{}], dtype=object))
    else:
        path.write_bytes(path.read_bytes()[: -1000 if kind == "truncated" else 0])
    if older:
        unsealed(run)
    command = [word for word in COMMAND if word != "--no-figures"]
    assert main([*command, "--report", "--reproduce", "fig2", "--out", str(copy)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{path}: damaged" in error and "delete its folder" in error


def test_a_run_without_its_samples_is_none_the_worse(copy):
    """They are not kept with committed results."""
    (run_of(copy) / "samples.npz").unlink()
    preset = run_of(copy).parts[-5]
    assert Results(copy, preset).samples("ring", "gan")["seed"] == 1


def test_a_run_that_another_process_replaces_meanwhile_is_left_out(copy, monkeypatch):
    run, calls = run_of(copy), []

    def moved(path, name, provenance, content=sealed._content):
        if path == run and not calls:
            calls.append(path)
            os.rename(run, run.with_name("seed0.aside"))
        return content(path, name, provenance)

    monkeypatch.setattr(sealed, "_content", moved)
    table = collect(copy, run.parts[-5])
    assert set(table.query("method == 'gan'")["seed"]) == {1}


def test_what_is_recorded_is_what_lies_there(trained):
    import hashlib

    run = run_of(trained)
    record = json.loads((run / "provenance.json").read_text())
    assert set(record["files"]) == {"settings.json", "metrics.csv", "samples.npz"}
    for name, entry in record["files"].items():
        content = (run / name).read_bytes()
        assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_hashing_costs_little(tmp_path):
    """Seconds of a report of 500 runs, and little of a run of a second."""
    committed = ROOT / "results" / "committed"
    out = shutil.copytree(committed, tmp_path / "out", ignore=shutil.ignore_patterns("figures"))
    runs = [run for preset in sorted(out.iterdir()) for run in run_folders(out, preset.name)]
    seconds = []
    for run in runs:
        began = time.process_time()
        record = sealed.seal(run, read_json(run / "provenance.json"))
        seconds.append(time.process_time() - began)
        (run / "provenance.json").write_text(json.dumps(record))
    began = time.process_time()
    assert all(sealed.read(run) for run in runs)
    assert len(runs) > 500 and time.process_time() - began < 6  # 2 on an idle machine
    assert sorted(seconds)[len(runs) // 2] < 0.03
