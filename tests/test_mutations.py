"""Whatever happens to a results folder: what is shown is what the runs produced, or nothing is."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TINY
from faults import LONG

from benchmark.cli import main
from benchmark.report import page

JUNK = [b"", b"\0", b"{}", b"[]", b"null", b"\xff\xfe", b"step,seconds,metric,value\n", b"1" * 5000]
VALUES = [None, True, -1, 0, 1.5, 10**400, "", "complete", "\ud800", [], [1], {}, "9" * 99]
NAMES = ["seed7", "seed²", "seed00", "seed0.old", ".part", "x", "<b>", "$x$", "-", "figures"]
MUTATIONS = 2000 if LONG else 100
WITH_PAGE = 20  # every so many mutations the page is written and compared too


class Mutation:
    """One change of a results folder, at random. elsewhere: a folder that links may lead to."""

    def __init__(self, root: Path, elsewhere: Path, draw: random.Random) -> None:
        self.root, self.elsewhere, self.draw = root, elsewhere, draw

    def __call__(self) -> str:
        kind = self.draw.choice(KINDS)
        kind(self)
        return kind.__name__

    def files(self, pattern: str = "runs/*/*/seed*/*") -> list[Path]:
        found = sorted(self.root.glob(pattern))
        return [p for p in found if p.is_file() and not p.is_symlink()]

    def file(self) -> Path:
        everywhere = self.files("*") if self.draw.random() < 0.1 else []
        return self.draw.choice(everywhere or self.files() or [self.touched()])

    def run(self) -> Path:
        found = [p.parent for p in self.files("runs/*/*/seed*/settings.json")]
        return self.draw.choice(found or [self.touched().parent])

    def touched(self) -> Path:
        """A file, where earlier changes have left none."""
        path = self.root / "runs" / "x" / "x" / "seed0" / "settings.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    def truncation(self) -> None:
        path = self.file()
        content = path.read_bytes()
        path.write_bytes(content[: self.draw.randrange(len(content) + 1)])

    def flipped_bit(self) -> None:
        path = self.file()
        content = bytearray(path.read_bytes() or b"x")
        place = self.draw.randrange(8 * len(content))
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)

    def digit(self) -> None:
        path = self.draw.choice(self.files("runs/*/*/seed*/*[vn]") or [self.touched()])
        content = bytearray(path.read_bytes())
        places = [i for i, c in enumerate(content) if chr(c).isdigit()]
        if places:
            content[self.draw.choice(places)] = ord(self.draw.choice("0123456789"))
        path.write_bytes(content)

    def type_change(self) -> None:
        path = self.draw.choice(self.files("runs/*/*/seed*/*.json") or [self.touched()])
        try:
            value = json.loads(path.read_bytes())
            spot = self.draw.choice([value, *[v for v in value.values() if isinstance(v, dict)]])
            spot[self.draw.choice(sorted(spot))] = self.draw.choice(VALUES)
        except (ValueError, AttributeError, TypeError, IndexError):  # damaged before
            value = self.draw.choice(VALUES)
        path.write_text(json.dumps(value))

    def swap(self) -> None:
        one, two = self.file(), self.file()
        contents = one.read_bytes(), two.read_bytes()
        two.write_bytes(contents[0])
        one.write_bytes(contents[1])

    def swap_of_runs(self) -> None:
        one, two = self.run(), self.run()
        if one != two:
            aside = self.root / "aside"
            one.rename(aside)
            two.rename(one)
            aside.rename(two)

    def copied_run(self) -> None:
        to = self.run().with_name(f"seed{self.draw.randrange(2, 9)}")
        if not to.exists():
            shutil.copytree(self.run(), to, symlinks=True)

    def junk(self) -> None:
        self.file().write_bytes(self.draw.choice(JUNK))

    def new_file(self) -> None:
        folder = self.draw.choice([self.root, *[p.parent for p in self.files()]])
        path = self.draw.choice([folder, folder.parent]) / self.draw.choice(NAMES)
        if not os.path.lexists(path):
            path.write_bytes(self.draw.choice(JUNK))

    def new_folder(self) -> None:
        path = self.run().parent / self.draw.choice(NAMES)
        if not os.path.lexists(path):
            path.mkdir()
            if self.draw.random() < 0.7:
                name = self.draw.choice(["provenance.json", "settings.json", "metrics.csv"])
                (path / name).write_bytes(self.draw.choice(JUNK))

    def file_becomes_folder(self) -> None:
        path = self.file()
        path.unlink()
        path.mkdir()

    def file_becomes_link(self) -> None:
        path = self.file()
        to = self.draw.choice([self.elsewhere / "file", self.elsewhere / "none", self.file()])
        if self.draw.random() < 0.3:
            to = Path(shutil.copy(path, self.elsewhere / "same"))
        path.unlink()
        path.symlink_to(to)

    def folder_becomes_link(self) -> None:
        path = self.draw.choice([self.run(), *self.run().parents[:3], self.root / "figures"])
        to = self.elsewhere / f"moved{len(list(self.elsewhere.iterdir()))}"
        if path.is_symlink():
            return
        if path.is_dir():
            shutil.move(path, to)
        else:
            to.mkdir()
        path.symlink_to(to)


KINDS: list[Callable[[Mutation], None]] = [
    Mutation.truncation, Mutation.flipped_bit, Mutation.digit, Mutation.type_change, Mutation.swap,
    Mutation.swap_of_runs, Mutation.copied_run, Mutation.junk, Mutation.new_file,
    Mutation.new_folder, Mutation.file_becomes_folder, Mutation.file_becomes_link,
    Mutation.folder_becomes_link,
]  # fmt: skip


def snapshot(folder: Path) -> dict[str, tuple]:
    """All that a folder holds, and when it was changed."""
    return {
        str(p.relative_to(folder)): (p.lstat().st_mtime_ns, p.is_file() and p.read_bytes())
        for p in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    assert main(["--methods", "gan,oracle", *TINY, "--out", str(out)]) == 0
    return out


def written(folder: Path, names: list[str]) -> list[bytes]:
    return [(folder / name).read_bytes() for name in names]


def check(trained: Path, tmp_path: Path, monkeypatch, capsys, count: int) -> None:
    """Change the folder ``count`` times, in one to three places each."""
    (preset,) = (p.name for p in trained.iterdir())
    tables = ["metrics.csv", "summary.csv", "summary.md", "equal_time.csv"]
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    command = ["--report", *TINY, "--out", str(out)]
    draw, write, shown = random.Random(0), page.write, 0
    for number in range(-1, count):
        with_page = number % WITH_PAGE == 0 or number < 0
        monkeypatch.setattr(page, "write", write if with_page else lambda out, *_: out / preset)
        shutil.rmtree(tmp_path, ignore_errors=True)
        elsewhere.mkdir(parents=True)
        (elsewhere / "file").write_text("theirs")
        shutil.copytree(trained, out)
        mutation = Mutation(out / preset, elsewhere, draw)
        kinds = [mutation() for _ in range(draw.randrange(1, 4))] if number >= 0 else []
        before = snapshot(elsewhere)
        capsys.readouterr()
        code = main(command)
        said = capsys.readouterr()
        case = (number, kinds, code, said.err)
        assert snapshot(elsewhere) == before, case
        if number < 0:
            names = [*tables, "index.html"]
            expected, text = written(out / preset, names), numbers(said.out)
        elif code == 0:
            shown += 1
            assert numbers(said.out) == text, case
            names = tables + ["index.html"] * with_page
            assert written(out / preset, names) == expected[: len(names)], case
        else:
            assert code in (2, 3) and said.out == "", case
            assert said.err.startswith("error: ") and said.err.count("\n") == 1, case
            assert str(out)[:30] in said.err, case
    print(f"{shown} of {count} shown as they were, {count - shown} named as damaged")
    assert count / 20 < shown < count * 19 / 20  # else the test does not see both


def numbers(text: str) -> str:
    """What a command prints but for how long its drawing took."""
    return "\n".join(line for line in text.splitlines() if " s): " not in line)


def test_a_changed_folder_shows_the_same_numbers_or_none(trained, tmp_path, monkeypatch, capsys):
    check(trained, tmp_path / "work", monkeypatch, capsys, MUTATIONS)
