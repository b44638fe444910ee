"""Hostile and mistaken configuration: one line, exit code 2, at once; names are inert."""

from __future__ import annotations

import random
import time

import numpy as np
import pandas as pd
import pytest
import yaml
from faults import LONG, SIZE

from benchmark.cli import main
from benchmark.core import strict_yaml
from benchmark.core.errors import UserError
from benchmark.core.files import write_json
from benchmark.experiments.labels import LABEL_LENGTH, bracket, parse_label
from benchmark.experiments.presets import CATALOGUE, SCALES
from benchmark.experiments.variants import DEFAULTS
from benchmark.results import inert, tables
from benchmark.results.view import Results

CONFIGURATIONS = 10_000 if LONG else 300
AT_ONCE = 1.0  # s of processor time: a tenth of it here, and what hangs takes forever
PRESET = """about: a test
note: a test
seeds: [0]
methods:
  lbt: {M: 2}
datasets:
  ring:
    iterations: 4
    batch: 8
    evaluations: 1
    eval_samples: 100
    final_samples: 100
"""
NASTY = "<script>alert(1)</script>|$\\input{x}$ [a](b) `c` =1+1 \x1b[31m"


@pytest.fixture
def preset(tmp_path):
    """Write a preset of one's own; returns how to run it."""

    def run(content: str, *options: str) -> int:
        file = tmp_path / "mine.yaml"
        file.write_bytes(content.encode(errors="surrogateescape"))
        command = ["--preset", file, "--methods", "gan,lbt", "--plan", "--out", tmp_path / "out"]
        return main([*map(str, command), *options])

    return run


BAD = {
    "unknown key": ("batch:", "bach:", "mine.yaml, line 9: unknown setting 'bach'; did you mean"),
    "wrong type": ("iterations: 4", "iterations: many", "mine.yaml, line 8: datasets.ring.iter"),
    "yes": ("iterations: 4", "iterations: yes", "mine.yaml, line 8"),
    "true": ("M: 2", "M: true", "mine.yaml, line 5: lbt in preset mine: M: expected a number"),
    "not a number": ("M: 2", "eta_phi: .nan", "mine.yaml, line 5: lbt in preset mine: eta_phi"),
    "negative": ("batch: 8", "batch: -8", "mine.yaml, line 9"),
    "huge": ("batch: 8", "batch: 1" + "0" * 400, "mine.yaml, line 9"),
    "more digits than Python reads": ("batch: 8", "batch: " + "9" * 9000, "mine.yaml: "),
    "tag": ("seeds: [0]", "seeds: !!python/object/apply:os.system [ls]", "line 3: the tag"),
    "alias": ("seeds: [0]", "seeds: &a [0]\nx: *a", "mine.yaml, line 3: anchors and aliases"),
    "twice": ("batch: 8", "batch: 8\n    batch: 9", "mine.yaml, line 10: 'batch' is set twice"),
    "broken": ("seeds: [0]", "seeds: [0", "mine.yaml, line 4:"),
    "nested": ("seeds: [0]", "seeds: " + "[" * 50_000, "mine.yaml, line 3: nested deeper than 20"),
    "1 MB of nesting": ("seeds: [0]", "seeds: " + "[" * 1_000_000, "longer than 64,000"),
    "parent folder": ("  ring:", "  ../../ring:", "mine.yaml, line 7"),
    "html": ("  ring:", "  <b>ring</b>:", "mine.yaml, line 7"),
    "formula": ("  ring:", "  =HYPERLINK():", "mine.yaml, line 7"),
    "note": ("note: a test", "note: <script>x</script>", "mine.yaml, line 2: note"),
    "latex": ("note: a test", "note: $\\input{/etc/passwd}$", "mine.yaml, line 2: note"),
    "seed": ("seeds: [0]", "seeds: [-1]", "mine.yaml, line 3: seeds.0"),
    "not UTF-8": ("a test", "\udcff", "mine.yaml: is not UTF-8"),
    "null byte": ("a test", "\0", "mine.yaml: "),
    "list": (PRESET, "- 1", "mine.yaml"),
    "empty": (PRESET, "", "mine.yaml"),
    "method": ("  lbt: {M: 2}", "  lbtt: {M: 2}", "unknown method 'lbtt'; did you mean 'lbt'"),
}


def test_a_sound_preset_is_accepted(preset):
    assert preset(PRESET) == 0
    assert preset(PRESET, "--set", "lbt.eta_phi=1e-3") == 0


@pytest.mark.parametrize("case", BAD)
def test_a_bad_preset_is_refused_at_once(case, preset, capsys):
    old, new, message = BAD[case]
    assert old in PRESET
    preset(PRESET)  # imports
    capsys.readouterr()
    began = time.process_time()
    assert preset(PRESET.replace(old, new, 1)) == 2
    assert time.process_time() - began < AT_ONCE
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error, error
    assert error.count("\n") == 1 and len(error) < 500


@pytest.mark.parametrize("value", ["[" * 100_000, "&a [*a]", "!!python/name:os.system", "{a: ["])
def test_a_bad_option_is_refused_at_once(value, capsys):
    began = time.process_time()
    assert main(["--set", f"lbt.K={value}", "--plan"]) == 2
    assert time.process_time() - began < AT_ONCE
    error = capsys.readouterr().err
    assert error.startswith("error: --set lbt.K") and error.count("\n") == 1 and len(error) < 500


# fmt: off
VALUES = [
    "1", "-1", "0", "1e-3", "1e400", ".nan", "-.inf", "true", "no", "~", "''", "[]", "{}", "[1",
    "x" * 300, "!!python/object:os.system", "&a", "*a", "../../x", "<b>", "$x$", "=1+1", "@x",
    "\x1b[2J", "\n", "\0", "\udcff", "1:30", "0x10", "010", "2001-01-01", "9" * 5000, "é", "?",
    "- a", "a: b", "{a: {b: [1, {c: d}]}}", "[" * 99, "1.5", "128", "'1'", "|", ">", "%", "\t",
]
OWNERS = [
    "lbt", "lbt_gan", "gan", "ring", "grid", "lbtt", "", ".", "methods", "../x", "vae", "\x1b",
]
KEYS = [
    "K", "M", "eta_phi", "nets", "batch", "iterations", "z_dim", "methods", "common", "data", "KK",
    "evaluations", "seeds", "", "a.b", "__class__", "model_config", "\n",
]
# fmt: on


def some_option(draw: random.Random) -> list[str]:
    kind = draw.random()
    setting = f"{draw.choice(OWNERS)}.{draw.choice(KEYS)}={draw.choice(VALUES)}"
    if kind < 0.7:
        return ["--set", setting]
    if kind < 0.85:
        return ["--methods", f"{draw.choice(OWNERS)}[{draw.choice(KEYS)}={draw.choice(VALUES)}]"]
    name = draw.choice(["--seeds", "--dataset", "--preset", "--jobs", "--plugin", "--timeout"])
    return [f"{name}={draw.choice(VALUES + OWNERS)}"]


def some_preset(draw: random.Random) -> str:
    """The sound one, changed in up to three places: a value, a key, a character, a line."""
    lines = PRESET.splitlines()
    for _ in range(draw.randrange(4)):
        i = draw.randrange(len(lines))
        key, colon, _ = lines[i].partition(":")
        change = draw.randrange(4)
        if change == 0:
            lines[i] = f"{key}{colon} {draw.choice(VALUES)}"
        elif change == 1:
            lines[i] = f"{draw.choice(VALUES + KEYS)}{colon}{lines[i].partition(':')[2]}"
        elif change == 2:
            place = draw.randrange(len(lines[i]) + 1)
            lines[i] = lines[i][:place] + draw.choice(VALUES) + lines[i][place:]
        else:
            lines.insert(i, draw.choice(lines))
    return "\n".join(lines) + "\n"


def test_generated_configurations_give_no_traceback(preset, capsys):
    draw, codes, refused = random.Random(7), [], []
    for number in range(CONFIGURATIONS):
        content = some_preset(draw)
        options = [word for _ in range(draw.randrange(3)) for word in some_option(draw)]
        began = time.process_time()
        codes.append(preset(content, *options))
        seconds = time.process_time() - began
        error = capsys.readouterr().err
        case = (number, content, options, error)
        assert codes[-1] in (0, 2), case
        if codes[-1] == 2:
            refused.append(seconds)
            assert error.startswith("error: ") and error.count("\n") == 1 and len(error) < 500, case
            assert error.strip().isprintable(), case
    assert min(codes.count(0), codes.count(2)) > CONFIGURATIONS / 50
    assert np.median(refused) < 0.1 and max(refused) < 5  # the first one imports


def test_numbers_are_those_of_yaml_1_2():
    read = lambda word: strict_yaml.load(word, "here")  # noqa: E731
    assert [read(w) for w in ("1e-3", "1.5E3", "-3", ".5", "-.inf")] == [
        1e-3, 1500.0, -3, 0.5, -float("inf")]  # fmt: skip
    assert [read(w) for w in ("yes", "1:30", "2001-01-01", "0x1")] == [
        "yes", "1:30", "2001-01-01", "0x1"]  # fmt: skip
    assert read("010") == 10 and read("~") is None and read("true") is True


def test_shipped_settings_read_as_before():
    for path in [*CATALOGUE.glob("*.yaml"), SCALES, DEFAULTS]:
        content = path.read_text()
        assert strict_yaml.load(content, path.name) == yaml.safe_load(content)


def test_names_are_inert_in_every_table(tmp_path):
    """Even those of a results folder that somebody else has made."""
    names = [NASTY.replace("/", ""), "=1+1", "+1", "-1", "@a", "a\nb", "a,b"]
    for name in names:
        folder = tmp_path / "mine" / "runs" / name / name / "seed0"
        write_json(folder / "provenance.json", {"status": "complete", "commit": NASTY})
        write_json(folder / "settings.json", {})
        (folder / "metrics.csv").write_text("step,seconds,metric,value\n1,0.0,modes_covered,3.0\n")
    results = Results(tmp_path, "mine")
    tables.write(results, lambda dataset: NASTY)
    markdown = (tmp_path / "mine" / "summary.md").read_text()
    assert "<" not in markdown and "\x1b" not in markdown and "](" not in markdown
    assert not set("`$") & set(markdown.replace("\\`", "").replace("\\$", ""))
    terminal = tables.render(results.summary, lambda dataset: NASTY)
    assert all(line.isprintable() for line in terminal.splitlines())
    for path in (tmp_path / "mine").glob("[ms]*.csv"):
        table = pd.read_csv(path, dtype=str)
        assert len(table) == len(names)
        for column in ("dataset", "method"):
            assert not any(value[0] in "=+-@" for value in table[column])
            assert "a,b" in set(table[column])


def test_text_that_is_no_formula_stays_as_it_is():
    assert [inert.cell(v) for v in ("gan", "", -1.0, "=x")] == ["gan", "", -1.0, "'=x"]
    assert inert.markdown("lbt_gan[K=3]") == "lbt_gan[K=3]"


PLUGIN = '''"""Loud: its losses and settings have names that others must not obey."""
import torch
from methods.base import Method, MethodConfig, Spec

class Config(MethodConfig):
    word: str = ""

def build(spec: Spec, cfg: Config) -> Method:
    def step(state, batch):
        loss = batch["x"].sum()
        return state, {"=1+1,\\n<b>": loss, "modes_covered": loss}
    def sample(state, z):
        return z[:, :2]
    return Method(lambda seed: {"theta": torch.zeros(2)}, step, sample, ("x",), {})
'''


def test_names_of_a_plugin_are_inert(tmp_path):
    plugin = tmp_path / "loud.py"
    plugin.write_text(PLUGIN)
    command = ["--plugin", plugin, "--methods", "loud", *SIZE, f"--set=loud.word='{'=1/<b>' * 90}'"]
    assert main([*map(str, command), "--out", str(tmp_path / "out")]) == 0
    (folder,) = (tmp_path / "out").glob("smoke*")
    table = pd.read_csv(folder / "metrics.csv")
    assert "_1_1___b_" in set(table["metric"])
    assert table.query("metric == 'modes_covered'")["value"].between(0, 8).all()
    (label,) = set(table["method"])
    assert label.startswith("loud[word=_1__b_") or label.startswith("loud[word==1__b_")
    assert not {*"</>\n"} & {*label} and len(label) < 130


def test_settings_that_would_share_a_folder_do_not(tmp_path):
    labels = {bracket({"a": value}) for value in ("x/y", "x_y", "x y", "x" * 300, "x" * 301)}
    assert len(labels) == 5 and max(map(len, labels)) <= LABEL_LENGTH


def test_a_label_of_unclosed_brackets_is_refused():
    with pytest.raises(UserError):
        parse_label("lbt[K=3")
