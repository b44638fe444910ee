"""What the command line says: of settings, while runs train, and of what it lacks."""

from __future__ import annotations

import io
import re
import socket
import sys

import pytest
from conftest import TINY

from benchmark.cli import listing, main
from benchmark.core.modules import config_class, load_module
from benchmark.core.run import Run
from benchmark.execution import runner
from benchmark.execution.how import Event, Execution
from benchmark.experiments.job import Job
from methods import REGISTRY


@pytest.mark.parametrize("method", REGISTRY)
def test_every_setting_of_a_method_is_told_with_its_meaning(method):
    model = config_class(load_module(REGISTRY[method]))
    told = {one.name: one for one in listing.described(model)}
    assert set(told) == set(model.model_fields)
    assert not [name for name, one in told.items() if not one.text]
    assert all(one.default == str(model.model_fields[n].default) for n, one in told.items())


def test_a_method_is_listed_with_default_and_source(capsys):
    assert main(["--list", "lbt"]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("  M "))
    assert (
        line.split() == "M 15 kept estimator updates per generator update; paper section 5".split()
    )


def runs(tmp_path) -> tuple[list[Run], Execution]:
    return Job("smoke", seeds=(0, 1, 2)).runs("ring", "gan"), Execution(tmp_path, jobs=1)


class Terminal(io.StringIO):
    """Where somebody watches."""

    def isatty(self) -> bool:
        return True


def test_the_bar_ends_at_all_of_it(tmp_path, monkeypatch, recwarn):
    """Also where the estimates add up to less than they round to."""
    monkeypatch.setattr(runner.cost, "seconds", lambda run, out: 0.46)
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    todo, how = runs(tmp_path)
    tell = runner._Progress(todo, how)
    for run in todo:
        tell(Event(run, run.budget.iterations))
        tell(Event(run, run.budget.iterations, "complete"))
    tell.bar.close()
    shares = [int(share) for share in re.findall(r"(\d+)% \|", screen.getvalue())]
    assert max(shares) == 100 and not recwarn.list
    assert "ring/gan seed 1: complete · 2 of 3 runs" in screen.getvalue()


def test_without_a_terminal_a_line_a_run_and_one_now_and_then(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runner, "QUIET_SECONDS", -1.0)
    monkeypatch.setattr(runner.cost, "seconds", lambda run, out: 10.0)
    todo, how = runs(tmp_path)
    tell = runner._Progress(todo, how)
    tell(Event(todo[0], todo[0].budget.iterations // 2))
    tell(Event(todo[0], 0, "failed", "out of luck"))
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("ring/gan seed 0: 50% · 0 of 3 runs, ")
    assert second.startswith("ring/gan seed 0: failed out of luck · 1 of 3 runs, ")
    assert second.endswith(" left") and [event.reason for event in tell.missed] == ["out of luck"]


def test_a_report_without_runs_of_figure_6_draws_none_and_asks_no_network(
    tmp_path, monkeypatch, capsys
):
    command = ["--methods", "gan", *TINY, "--out", str(tmp_path / "out")]
    assert main(command) == 0

    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "empty"))
    Job.mnist.cache_clear()
    capsys.readouterr()
    drawing = [word for word in command[2:] if word != "--no-figures"]
    assert main([*drawing, "--report", "--reproduce", "fig6,table1"]) == 0
    Job.mnist.cache_clear()
    assert "fig6" in (told := capsys.readouterr().out)
    assert re.search(r"^fig6 .*nothing to draw, its runs are missing$", told, re.MULTILINE)
    (folder,) = (tmp_path / "out").iterdir()
    assert not list(folder.glob("figures/fig6*"))
    assert "damaged" not in (folder / "index.html").read_text()


def test_all_methods_are_those_that_are_listed(tmp_path, capsys):
    assert main(["--methods", "all", "--seeds", "0", "--plan", "--out", str(tmp_path)]) == 0
    planned = {line.split()[1] for line in capsys.readouterr().out.splitlines()[:-1]}
    assert planned == set(REGISTRY)
