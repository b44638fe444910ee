"""Many writers into one folder: a run is trained once, and none lost or doubled."""

from __future__ import annotations

import multiprocessing
import time

import pytest
from faults import LONG, SIZE, finish, folder_of, start, wait_for

from benchmark.core.files import read_json
from benchmark.execution.how import Execution
from benchmark.execution.worker import failures, set_aside
from benchmark.experiments.job import Job
from benchmark.results.collect import collect
from benchmark.store.code import code_version
from benchmark.store.folder import RunFolder
from benchmark.store.lock import Held

COMMITS = 1000 if LONG else 40  # of each of WRITERS processes
SHARED, WRITERS = 20, 8


def test_a_run_started_twice_is_trained_once(tmp_path):
    command = ["--methods", "gan", *SIZE, "--set=ring.iterations=3000", "--no-compile"]
    command += ["--jobs", "1", "--out", tmp_path]
    first = start(command)
    wait_for(lambda: list(tmp_path.rglob(".seed0.lock")))
    time.sleep(0.3)
    second = finish(command)
    assert second.returncode == 1
    assert f"held: ring/gan seed 0: held by process {first.pid} on " in second.stderr
    first.kill()
    first.communicate()
    assert list(tmp_path.rglob(".seed0.lock"))  # left by the dead one, and taken over
    third = start(command)
    time.sleep(1.0)
    third.terminate()
    assert "held" not in third.communicate()[1]


def commit(path, me: int, tally) -> None:
    """One of WRITERS processes: its own runs, and those that all want."""
    mine = [me * COMMITS + i for i in range(COMMITS)]
    shared = [WRITERS * COMMITS + i for i in range(SHARED)]
    for seed in mine + shared:
        folder = folder_of(path, seed)
        while True:
            try:
                with folder.lock():
                    if not folder.finished():
                        folder.open()
                        rows = [{"step": 1, "seconds": 0.0, "metric": "modes_covered", "value": 1}]
                        folder.write_metrics(rows)
                        folder.write_provenance({"status": "complete", "started": str(me)})
                        with tally.get_lock():
                            tally.value += 1
                break
            except Held:
                time.sleep(0.01)


def test_many_processes_commit_into_one_folder(tmp_path):
    context = multiprocessing.get_context("fork")
    tally = context.Value("i", 0)
    writers = [context.Process(target=commit, args=(tmp_path, i, tally)) for i in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [w.exitcode for w in writers] == [0] * WRITERS
    expected = WRITERS * COMMITS + SHARED
    assert tally.value == expected
    table = collect(tmp_path, "smoke")
    assert sorted(table["seed"]) == list(range(expected))
    records = (tmp_path / "smoke" / "runs" / "ring" / "gan").glob("*/provenance.json")
    assert all(read_json(path)["status"] == "complete" for path in records)


@pytest.fixture
def older(tmp_path) -> tuple[RunFolder, Execution]:
    """A finished run of a version of the code that is gone, and how to train the one of today."""
    (run,) = Job("smoke", seeds=(0,)).runs("ring", "gan")
    old = RunFolder(tmp_path, run, "older code")
    old.open()
    old.write_provenance({"status": "complete", "commit": "older"})
    new = RunFolder(tmp_path, run, code_version(run.module, run.source))
    return new, Execution(tmp_path, jobs=1, device="cpu")


def kept(folder: RunFolder) -> list[str]:
    """Commits of the runs that lie aside."""
    places = folder.path.parent.glob(f"{folder.path.name}.*")
    return [read_json(place / "provenance.json").get("commit", "") for place in places]


def test_a_failure_before_the_start_leaves_the_record_of_an_older_version(older):
    folder, how = older
    failures([folder.run], how, "no luck")
    record = read_json(folder.path / "provenance.json")
    assert record["reason"] == "no luck" and folder.matches()
    assert kept(folder) == ["older"]


def test_what_is_trained_again_is_set_aside_once(older):
    folder, how = older
    set_aside([folder.run], how)
    folder.write_metrics([{"step": 1, "seconds": 0.0, "metric": "modes_covered", "value": 1}])
    folder.write_provenance({"status": "complete", "commit": "newer"})
    with folder.lock():  # of another process
        set_aside([folder.run], how)
    assert kept(folder) == ["older"] and folder.finished()
    set_aside([folder.run], how)
    assert sorted(kept(folder)) == ["newer", "older"] and not folder.finished()
