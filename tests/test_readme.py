"""What the README shows must run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import torch

from benchmark.cli import main
from benchmark.cli.options import parser
from benchmark.report.claims import ledger
from benchmark.report.claims.ledger import table
from benchmark.report.claims.verdict import VERDICTS
from methods.base import Spec

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PROSE = {"README.md": README, "STUDENTS.md": (ROOT / "docs" / "STUDENTS.md").read_text()}


(EXAMPLE,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_example_method_runs(tmp_path):
    plugin = tmp_path / "moments.py"
    plugin.write_text(EXAMPLE)
    size = ["ring.iterations=3", "ring.batch=8", "ring.final_samples=2000"]
    command = ["--plugin", str(plugin), "--methods", "moments", "--preset", "smoke", "--jobs", "1"]
    command += [f"--set={s}" for s in size]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0


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
    for name, text in PROSE.items():
        rows = re.findall(r"^\| [a-z_]+(?:\[[^|]*\])? \| \d.*\|$", text, re.MULTILINE)
        assert rows, name
        assert not [row for row in rows if row not in known], name


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
