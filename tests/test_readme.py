"""What the README shows must run."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from benchmark.__main__ import main, parser
from benchmark.report.claims import VERDICTS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PROSE = {"README.md": README, "STUDENTS.md": (ROOT / "docs" / "STUDENTS.md").read_text()}


def test_the_example_method_runs(tmp_path):
    (source,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    plugin = tmp_path / "moments.py"
    plugin.write_text(source)
    size = ["ring.iterations=3", "ring.batch=8", "ring.final_samples=2000"]
    command = ["--plugin", str(plugin), "--methods", "moments", "--preset", "smoke", "--jobs", "1"]
    command += [f"--set={s}" for s in size]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0


def test_every_command_shown_parses():
    commands = re.findall(r"^python -m benchmark (--[^#\n]*)", README, re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        parser().parse_args(command.split())


def test_every_path_and_picture_shown_exists():
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    links = re.findall(r"(?<!!)\[.*?\]\((.*?)\)", README)
    assert pictures
    for target in pictures + [link for link in links if "://" not in link]:
        assert (ROOT / target).exists(), target


def test_the_tables_shown_are_the_committed_ones():
    """Row by row: a new run that changes a number must change the text."""
    committed = ROOT / "results" / "committed"
    known = set("\n".join(p.read_text() for p in committed.glob("*/summary.md")).splitlines())
    for name, text in PROSE.items():
        rows = re.findall(r"^\| [a-z_]+(?:\[[^|]*\])? \| \d.*\|$", text, re.MULTILINE)
        assert rows, name
        assert not [row for row in rows if row not in known], name


def test_the_verdicts_are_counted_as_committed():
    table = pd.read_csv(ROOT / "results" / "committed" / "claims.csv")
    counts = table.loc[~table["ours"], "verdict"].value_counts()
    shown = ", ".join(f"{counts.get(v, 0)} {v}" for v in VERDICTS)
    assert shown in " ".join(README.split())
