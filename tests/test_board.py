"""Leaderboards: who stands where, what they say of it, and what they let a reader do."""

from __future__ import annotations

import base64
import math
import shlex
from pathlib import Path

import pandas as pd
import pytest
from ledger import write_run
from reader import WIDTHS, Reader

from benchmark.cli import main
from benchmark.cli.options import parser
from benchmark.experiments.job import Job
from benchmark.report import page
from benchmark.report.claims.evidence import every
from benchmark.report.page import board, opening
from benchmark.results import leaderboard
from benchmark.results.leaderboard import COLUMNS, ranked
from benchmark.results.view import Results

SMALL = [f"--set=ring.{k}" for k in ("iterations=4", "batch=8", "final_samples=2000",
                                     "eval_samples=500")]  # fmt: skip


def rows(*found: dict) -> pd.DataFrame:
    """Rows of a leaderboard, three complete seeds of a rival each where nothing else is said."""
    usual = {"role": "rival", "seeds": 3, "missed": 0}
    return pd.DataFrame([usual | row for row in found], columns=COLUMNS)


def scores(method: str, modes: float, quality: float, width: float = 0.0, **more) -> dict:
    """A row whose intervals are so wide."""
    found = {"method": method, "modes_covered": modes, "high_quality_pct": quality} | more
    for name in ("modes_covered", "high_quality_pct"):
        found |= {f"{name}_low": found[name] - width / 2, f"{name}_high": found[name] + width / 2}
    return found


def order(*found: dict) -> list[str]:
    return list(ranked(rows(*found))["method"])


def test_what_never_learned_and_references_stand_behind():
    assert order(
        scores("oracle", 8.0, 98.9, role="reference"),
        scores("lbt", 8.0, 30.0),
        scores("gan", 5.0, 60.0),
        scores("veegan", 8.0, 90.0, missed=1),
        scores("pacgan", 7.0, 95.0),
    ) == ["pacgan", "gan", "veegan", "lbt", "oracle"]


def test_scores_decide_in_turn_and_the_lower_kl_is_better():
    kl = [{"intra_mode_kl": value} for value in (0.5, 0.1)]
    assert order(scores("gan", 8, 90) | kl[0], scores("lsgan", 8, 90) | kl[1]) == ["lsgan", "gan"]
    assert order({"method": "a", "smnist_modes": 7.0}, {"method": "b", "smnist_modes": 9.0}) == [
        "b", "a",
    ]  # fmt: skip


def test_the_best_value_is_one_of_a_method_that_learned():
    found = ranked(rows(
        scores("gan", 7.0, 90.0), scores("lbt", 6.0, 95.0), scores("ali", 8.0, 9.0),
        scores("oracle", 8.0, 98.9, role="reference"),
    ))  # fmt: skip
    assert leaderboard.best(found) == {"modes_covered": 7.0, "high_quality_pct": 95.0}
    assert leaderboard.best(found[found["method"] == "gan"]) == {}


@pytest.mark.parametrize(
    "found, claim, why",
    [
        ([scores("gan", 8, 90, 1), scores("lsgan", 6, 80, 1)], "GAN comes first", "are apart"),
        ([scores("gan", 8, 90, 3), scores("lsgan", 6, 80, 3)], "GAN is ahead, within chance,",
         "intervals of modes covered overlap"),
        ([scores("gan", 8, 90, math.nan), scores("lsgan", 6, 80, math.nan)],
         "GAN is ahead, within chance,", "a single seed"),
        ([scores("gan", 8, 60, 99), scores("lsgan", 8, 20, 99)], "GAN comes first",
         "less than half"),
        ([scores("gan", 8, 30), scores("lsgan", 6, 20)], "nothing has learned", "No method"),
        ([scores("gan", 8, 90), scores("lsgan", 8, 90)], "GAN shares the first place", "equal"),
        ([scores("gan", 8, 90)], "GAN alone", "compared with no other"),
        ([scores("oracle", 8, 99, role="reference")], "", ""),
    ],
)  # fmt: skip
def test_a_board_says_who_came_first_and_how_that_is_known(found, claim, why):
    said = opening.of(ranked(rows(*found)))
    assert said.claim == claim and why in said.words


def test_a_headline_names_datasets_together_and_only_the_first_claims():
    said = {
        n: opening.Opening(c, "") for n, c in zip("abcde", ("", "X", "Y", "X", "Z"), strict=True)
    }
    assert opening.headline(said) == "X on b and d; Y on c"
    assert opening.headline(said, 9).endswith("; Z on e")
    assert opening.headline({}) == ""


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """Two presets' rings, one of which learned nothing, and data without modes."""
    folder = tmp_path_factory.mktemp("results")
    bent = {"modes_covered": [0, 8, 8], "high_quality_pct": [0, 95, 95]}
    for seed in (0, 1):
        write_run(folder, "gan", seed, bent, share=0.001)
        write_run(folder, "oracle", seed, bent, share=0.001)
    write_run(
        folder, "lbt", 0, {"modes_covered": [0, 8], "high_quality_pct": [0, 20]}, preset="full"
    )
    write_run(folder, "gan", 0, {"js": [0.5, 0.1]}, dataset="toy1d")
    return folder


def test_the_leaderboard_of_all_folders(out):
    table, path = board.write(out, every(out))
    assert set(pd.read_csv(table)["preset"]) == {"quick", "full"}
    read = Reader(path.read_text())
    assert read.ids >= {"board-ring", "board-toy1d"} and "JS (nats)" in read.text
    assert read.text.index("GAN") < read.text.index("LBT not learned") < read.text.index("Data")
    assert shlex.join(["python", "-m", "benchmark", "--claims", "--out", str(out)]) in read.text


def test_the_download_is_the_table(out):
    rows = board.table(every(out))
    head, _, content = board.download(rows).partition(",")
    assert head == "data:text/csv;base64"
    assert base64.b64decode(content).decode().splitlines()[0] == ",".join(COLUMNS)


def test_the_commands_of_rows_parse(out):
    for one in board.sections(board.table(every(out)), every(out)):
        for row in one.rows:
            words = shlex.split(row.command)
            parser().parse_args(words[words.index("benchmark") + 1 :])


def test_a_heading_sorts_and_the_best_is_marked(browser, out):
    found = Results(out, "quick")
    path = page.write(out, Job("quick"), found)
    browser.open(path, 400)
    names = "[...document.querySelectorAll('#boards tbody')[0].rows].map(r => r.cells[0].innerText)"
    assert [name.strip() for name in browser.value(names)] == ["GAN", "Data"]
    browser.value("document.querySelectorAll('#boards thead button')[0].click()")
    assert [name.strip() for name in browser.value(names)] == ["Data", "GAN"]
    needed, there = browser.value(WIDTHS)
    assert needed <= there and not browser.errors()


def test_named_methods_are_drawn_beside_their_data_and_the_page_says_how_again(tmp_path, capsys):
    command = ["--preset", "smoke", "--seeds", "0", *SMALL, "--jobs", "1", "--methods", "gan,lsgan"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    (folder,) = tmp_path.glob("smoke*")
    for name in ("fig2.png", "fig3.png", "fig3_seconds.png"):
        assert (folder / "figures" / name).is_file() and str(folder / "figures" / name) in said
    drawing = (folder / "figures" / "fig2.svg").read_text()
    assert drawing.index("Data") < drawing.index("LSGAN")
    read = Reader((folder / page.NAME).read_text())
    assert {"boards", "fig2", "fig3"} <= read.ids and not {"fig1", "table1"} & read.ids
    assert "--report --preset smoke --set ring.iterations=4" in read.text
    assert read.text.count(f"--out {tmp_path}") > 2
