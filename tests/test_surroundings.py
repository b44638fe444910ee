"""What a shell, a home folder, a umask or a user's settings of matplotlib may do to a command."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from conftest import TINY
from faults import ROOT, SIZE, results
from matplotlib import pyplot as plt

from benchmark.artefacts.drawing import densities, style
from benchmark.cli import main
from benchmark.core.files import write_bytes, write_json
from benchmark.results import view
from benchmark.results.view import Results

COMMAND = ["--methods", "oracle", *SIZE, "--jobs", "1", "--no-compile", "--out"]


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_lose_nothing(closed, tmp_path):
    words = [sys.executable, "-m", "benchmark", *COMMAND, str(tmp_path)]
    shell = ["bash", "-c", f'"$@" {closed}', "bash", *words]
    done = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert len(results(tmp_path)) == 1
    for path in tmp_path.rglob("*"):  # nothing was written into a file that got a stream's number
        assert not path.is_file() or b"runs to do" not in path.read_bytes()


NO_HOME = """
from pathlib import Path
from benchmark.core import mkl
def home():
    raise RuntimeError("Could not determine home directory.")
Path.home, mkl._helps = home, lambda: True
print(mkl.use_full_width())
"""


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    command = [sys.executable, "-c", NO_HOME]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "False\n" and done.stderr == ""


@pytest.mark.parametrize("mask, mode", [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_files_follow_the_umask(mask, mode, tmp_path):
    old = os.umask(mask)
    try:
        write_bytes(tmp_path / "a", b"a")
        write_bytes(tmp_path / "a", b"b")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def drawn(path: Path) -> bytes:
    with plt.rc_context(style.RC):
        figure, axes = plt.subplots()
        axes.plot([1, 2, 3])
        axes.set_title("a")
        png, svg = style.save(figure, path)
        plt.close(figure)
    return png.read_bytes() + svg.read_bytes()


def test_a_user_s_matplotlibrc_changes_no_figure(tmp_path):
    before = drawn(tmp_path / "a")
    theirs = {"lines.linewidth": 9, "axes.facecolor": "red", "savefig.bbox": "tight",
              "image.cmap": "hot", "svg.fonttype": "none", "font.family": "serif"}  # fmt: skip
    with matplotlib.rc_context(theirs):
        assert drawn(tmp_path / "a") == before


def test_a_label_is_no_mathematics(tmp_path):
    run = tmp_path / "smoke" / "runs" / "ring" / r"gan$\undefined$" / "seed0"
    write_json(run / "provenance.json", {"status": "complete"})
    (run / "metrics.csv").write_text("step,seconds,metric,value\n1,0.0,modes_covered,3.0\n")
    np.savez(run / "samples.npz", counts=np.ones((600, 600), np.uint32))
    paths = densities.draw(Results(tmp_path, "smoke"), {"ring": "ring"}, tmp_path / "fig", "")
    assert all(path.is_file() for path in paths) and len(paths) == 2


def test_a_folder_renamed_while_tables_are_built(tmp_path, monkeypatch, capsys):
    command = ["--methods", "oracle", *TINY, "--out", str(tmp_path)]
    assert main(command) == 0
    (folder,) = tmp_path.glob("smoke*")

    def rename(records, tidy=view.tidy):
        table = tidy(records)
        if folder.is_dir():
            shutil.move(folder, tmp_path / "aside")
        return table

    monkeypatch.setattr(view, "tidy", rename)
    capsys.readouterr()
    assert main([*command, "--report"]) in (0, 1, 3)
    assert "Traceback" not in capsys.readouterr().err
    assert len(list((tmp_path / "aside").glob("runs/*/*/seed*/metrics.csv"))) == 2
