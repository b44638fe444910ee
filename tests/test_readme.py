"""What the README shows must run."""

from __future__ import annotations

import re
from pathlib import Path

from benchmark.__main__ import main, parser

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()


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
    root = Path(__file__).resolve().parent.parent
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    links = re.findall(r"(?<!!)\[.*?\]\((.*?)\)", README)
    assert pictures
    for target in pictures + [link for link in links if "://" not in link]:
        assert (root / target).exists(), target
