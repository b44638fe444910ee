"""What README and docs show must run, and their numbers be the committed ones."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
import torch

from benchmark.cli import main
from benchmark.cli.options import parser
from benchmark.core.files import read_json
from benchmark.core.run import MIN_STEPS
from benchmark.report.claims import ledger
from benchmark.report.claims.ledger import table
from benchmark.report.claims.verdict import VERDICTS
from methods.base import Spec

ROOT = Path(__file__).resolve().parent.parent
DOCS = {path: path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}
README, EXTEND = DOCS[ROOT / "README.md"], DOCS[ROOT / "docs" / "EXTEND.md"]
EXAMPLE, GRID, MOONS, LIBRARY = re.findall(r"```python\n(.*?)```", EXTEND, re.DOTALL)
(PRESET,) = re.findall(r"```yaml\n(.*?)```", EXTEND, re.DOTALL)


def test_the_examples_of_method_and_data_run_together(tmp_path):
    command = ["--methods", "moments,oracle", "--preset", "smoke", "--seeds", "0"]
    command += ["--jobs", "1"]
    for name, source in {"moments": EXAMPLE, "my_grid": GRID, "two_moons": MOONS}.items():
        (tmp_path / f"{name}.py").write_text(source)
        command += ["--plugin", str(tmp_path / f"{name}.py")]
        for setting in () if name == "moments" else ("iterations=3", "batch=8", "z_dim=40",
                                                     "final_samples=2000"):  # fmt: skip
            command.append(f"--set={name}.{setting}")
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    (out,) = (tmp_path / "out").iterdir()
    table = pd.read_csv(out / "summary.csv")
    assert set(table["dataset"]) == {"my_grid", "two_moons"} and not table["missed"].any()
    assert {"modes_covered", "sliced_w2"} <= set(table.query("dataset == 'my_grid'")["metric"])
    assert set(table.query("dataset == 'two_moons'")["metric"]) == {"sliced_w2", "sliced_w2_floor"}


def test_the_moons_are_two_of_equal_weight():
    names: dict = {}
    exec(MOONS, names)
    data = names["load"]()
    x = data.push(torch.randn(100_000, 4, generator=torch.Generator().manual_seed(0)))
    arcs = torch.tensor([[0.5, 0.25], [-0.5, -0.25]])
    radius = (torch.cdist(x, -arcs) - 1).abs()
    upper = radius[:, 0] < radius[:, 1]
    assert x.mean(0).abs().max() < 0.02 and radius.min(1).values.mean() < 0.1
    assert abs(upper.float().mean() - 0.5) < 0.01


@pytest.mark.slow
def test_the_example_method_is_compiled(tmp_path, capfd):
    plugin = tmp_path / "moments.py"
    plugin.write_text(EXAMPLE)
    size = [f"iterations={MIN_STEPS}", "batch=4", "eval_samples=100", "final_samples=100"]
    command = ["--plugin", str(plugin), "--methods", "moments", "--preset", "smoke", "--jobs", "1"]
    command += ["--seeds", "0", *(f"--set=ring.{s}" for s in size)]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    assert "not compiling" not in capfd.readouterr().err
    (record,) = (tmp_path / "out").rglob("provenance.json")
    assert read_json(record)["compiled"] is True


def test_the_lines_of_python_run(capsys):
    exec(LIBRARY, {})
    assert len(LIBRARY.splitlines()) <= 10
    first, second = capsys.readouterr().out.splitlines()
    modes, distance = map(float, first.split())
    assert 0 <= modes <= 8 and distance > 0 and 0 <= float(second) < 100


def test_the_example_method_learns_from_images_too():
    names = {"__name__": "moments"}
    exec(EXAMPLE, names)
    spec = Spec(x_shape=(3, 28, 28), z_dim=16, batch=4)
    method = names["build"](spec, names["MomentsConfig"](nets="metz"))
    state = method.init(0)
    batch = {"x": torch.rand(4, 3, 28, 28), "z": torch.randn(4, 16)}
    new, logs = method.step(state, batch)
    assert logs["loss_theta"].isfinite() and not torch.equal(new["theta"], state["theta"])


def test_every_command_shown_parses():
    commands = [
        command
        for text in DOCS.values()
        for command in re.findall(
            r"^(?:python -m benchmark|lbt-bench) (--[^#\n]*)", text, re.MULTILINE
        )
    ]
    assert len(commands) >= 12
    for command in commands:
        parser().parse_args(shlex.split(command))


def test_the_whole_paper_takes_thousands_of_hours(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LBT_BENCH_OFFLINE", "1")
    (command,) = re.findall(r"^python -m benchmark (--plan [^#\n]*)", README, re.MULTILINE)
    assert main([*shlex.split(command), "--jobs", "1", "--out", str(tmp_path)]) == 0
    hours = re.search(r"about ([\d.]+) h on 1 workers", capsys.readouterr().out)
    assert float(hours[1]) > 2000


def test_the_example_of_an_experiment_is_one(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(PRESET)
    command = ["--preset", str(tmp_path / "mine.yaml"), "--plan", "--out", str(tmp_path)]
    assert main(command) == 0
    assert "6 runs to do" in capsys.readouterr().out


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_path_and_picture_shown_exists(page):
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", DOCS[page], flags=re.DOTALL)
    for target in re.findall(r"\[[^\]]*\]\(([^)#]+)", prose):
        made = target.startswith("methods/")  # by docs/hooks.py, with the site
        assert made or "://" in target or (page.parent / target).exists(), target


def test_the_committed_pages_link_to_what_is_committed():
    """Which a build beside files that git ignores would not show, but on a fresh clone."""
    committed = ROOT / "results" / "committed"
    listed = subprocess.run(
        ["git", "ls-files", "-z", committed], cwd=ROOT, capture_output=True, text=True
    )
    known = {ROOT / name for name in listed.stdout.split("\0")}
    if listed.returncode:  # no clone: then what is here is all that was given
        known = set(committed.rglob("*"))
    known |= {parent for path in known for parent in path.parents}
    pages = [committed / "index.html", *committed.glob("*/index.html")]
    assert len(pages) > 5
    for page in pages:
        for link in re.findall(r'(?:href|src)="([^"#:]+)(?:#[^"]*)?"', page.read_text()):
            target = Path(os.path.normpath(page.parent / unquote(link)))
            assert target in known, f"{page}: {link}"


def test_the_tables_shown_are_the_committed_ones():
    """Row by row: a new run that changes a number must change the text."""
    committed = ROOT / "results" / "committed"
    known = set("\n".join(p.read_text() for p in committed.glob("*/summary.md")).splitlines())
    shown = {
        page.name: re.findall(r"^\| [a-z_]+(?:\[[^|]*\])? \| \d.*\|$", text, re.MULTILINE)
        for page, text in DOCS.items()
        if page.name in ("README.md", "RESULTS.md", "ESTIMATORS.md")
    }
    assert shown["RESULTS.md"] and shown["ESTIMATORS.md"]
    for name, rows in shown.items():
        assert not [row for row in rows if row not in known], name


def test_the_short_table_repeats_the_committed_ones():
    """Of five runs each, as the text says."""
    summaries = (ROOT / "results" / "committed").glob("*/summary.md")
    rows = [line.split(" | ") for p in summaries for line in p.read_text().splitlines()]
    rows = [row for row in rows if row[-3:-2] == ["5"]]
    known = {(row[0][2:], *(cell.split(" ")[0] for cell in row[1:4]), row[-2]) for row in rows}
    shown = re.findall(r"^\| `(.+?)` \|.*?\| (\d.*) \|$", README, re.MULTILINE)
    assert len(shown) == 8
    for method, cells in shown:
        assert (method, *cells.split(" | ")) in known, method


def test_the_committed_ledger_is_what_the_committed_runs_say():
    """Of the claims and rules as they are now: neither may change without the other."""
    committed = ROOT / "results" / "committed"
    found = table(ledger.of(committed))[["claim", "text", "verdict"]].astype(str)
    kept = pd.read_csv(committed / "claims.csv")[["claim", "text", "verdict"]].astype(str)
    pd.testing.assert_frame_equal(found.reset_index(drop=True), kept)


def test_the_verdicts_are_counted_as_committed():
    kept = pd.read_csv(ROOT / "results" / "committed" / "claims.csv")
    counts = kept.loc[~kept["ours"], "verdict"].value_counts()
    shown = ", ".join(f"{counts.get(v, 0)} {v}" for v in VERDICTS)
    assert shown in " ".join(README.split())
    assert shown in " ".join((ROOT / "docs" / "CLAIMS.md").read_text().split())
