"""Where runs execute: in this process, or in a pool of single-threaded worker processes.

A worker keeps Python and torch across its runs; one that dies takes only its current
run with it. Results do not depend on the number of workers: every run has one thread either way.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

from benchmark import mkl
from benchmark.config import Run
from benchmark.errors import first_line

PROGRESS_SECONDS = 0.5  # between reports of one worker


class Execution(NamedTuple):
    """How runs are carried out. Only the device decides numbers: a GPU draws other noise.

    stack: train the seeds of one method on one dataset as one program. tf32: on a GPU, let matrix
    products round their inputs to 10 bits.
    """

    out: Path
    jobs: int
    device: str = "cpu"
    compile: bool = True
    stack: bool = False
    tf32: bool = False
    checkpoint_seconds: float = 60.0
    force: bool = False


class Event(NamedTuple):
    """News of a run: ``step`` done so far, or a final ``status`` with a reason."""

    run: Run
    step: int = 0
    status: str = ""
    reason: str = ""


class Interrupted(Exception):
    """A signal asked the process to stop; the run in progress has saved its state."""


def launch(runs: Sequence[Run], how: Execution, report: Callable[[Event], None]) -> None:
    """Execute the runs, in order of the sequence as workers come free; report every event."""
    units = stacks(runs) if how.stack else [[run] for run in runs]
    if how.jobs == 1 or len(units) <= 1:
        with _Stopper() as stopper:
            for unit in units:
                for event in _attempt(unit, how, report, stopper):
                    report(event)
    else:
        _Pool(units, how, report).work()


def stacks(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that differ in their seed alone, together; in the order of their first ones."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.dataset, run.label), []).append(run)
    return list(groups.values())


class _Stopper:
    """Turns SIGINT and SIGTERM into ``Interrupted`` at the next step of the training loop."""

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> _Stopper:
        self._old = {
            number: signal.signal(number, self._request)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _request(self, *_: Any) -> None:
        self.requested = True

    def check(self) -> None:
        if self.requested:
            raise Interrupted


def _attempt(
    unit: Sequence[Run], how: Execution, report: Callable[[Event], None], stopper: _Stopper
) -> list[Event]:
    """Runs trained together, in this process; any exception of the method becomes status
    ``failed``. Returns their last events.
    """
    import torch

    from benchmark import compile, provenance
    from benchmark.loop import execute
    from benchmark.store import RunFolder

    torch.set_num_threads(1)  # two threads on shared cores wait for each other, spinning
    torch.set_float32_matmul_precision("high" if how.tf32 else "highest")
    code = provenance.code_version(unit[0].module)
    folders = [RunFolder(how.out, run, code) for run in unit]
    last = time.monotonic()

    def progress(step: int) -> None:
        nonlocal last
        stopper.check()
        if time.monotonic() - last > PROGRESS_SECONDS:
            last = time.monotonic()
            for run in unit:
                report(Event(run, step))

    try:
        for folder in folders:
            folder.open(how.force)
        pays = compile.pays(unit[0].budget.iterations)
        statuses = execute(
            unit,
            folders,
            device=how.device,
            jit=compile.Jit(how.compile and pays, stacked=len(unit) > 1),
            checkpoint_seconds=how.checkpoint_seconds,
            progress=progress,
        )
    except Interrupted:
        raise
    except Exception as error:
        return _failed(unit, how, first_line(error))
    return [
        Event(run, run.budget.iterations, status)
        for run, status in zip(unit, statuses, strict=True)
    ]


def _failed(unit: Sequence[Run], how: Execution, reason: str) -> list[Event]:
    """Record a failure of those not finished, so that it is a row in every table; what was saved
    stays.
    """
    from benchmark import provenance
    from benchmark.store import RunFolder

    events = []
    for run in unit:
        folder = RunFolder(how.out, run, provenance.code_version(run.module))
        if folder.finished():
            events.append(Event(run, status=folder.status()))
            continue
        record = {"status": "failed", "reason": reason, "commit": provenance.commit()}
        folder.write_provenance(record | {"device": how.device})
        events.append(Event(run, status="failed", reason=reason))
    return events


def _worker(connection: Connection, how: Execution) -> None:
    """Serve runs until told to stop (None), interrupted, or left alone by its parent."""
    mkl.use_full_width()

    def tell(event: Event) -> None:
        try:
            connection.send(event)
        except OSError:
            raise Interrupted from None

    with _Stopper() as stopper:
        try:
            while (unit := connection.recv()) is not None:
                for event in _attempt(unit, how, tell, stopper):
                    connection.send(event)
        except (Interrupted, EOFError, BrokenPipeError):
            pass


class _Pool:
    """Feeds workers, one unit of runs at a time each, and survives their death."""

    def __init__(self, units: Sequence[list[Run]], how: Execution, report: Callable) -> None:
        self.todo = list(units)[::-1]
        self.how, self.report = how, report
        self.busy: dict[Connection, tuple[Any, list[Run]]] = {}

    def work(self) -> None:
        with _Stopper() as stopper:
            for _ in range(min(self.how.jobs, len(self.todo))):
                self._start()
            try:
                while self.busy:
                    for connection in wait(list(self.busy), timeout=0.5):
                        self._listen(connection)
                    stopper.check()
            finally:
                self._stop()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_worker, args=(theirs, self.how), daemon=True)
        process.start()
        theirs.close()
        self._feed(ours, process)

    def _feed(self, connection: Connection, process: Any) -> None:
        if not self.todo:
            connection.send(None)
            self.busy.pop(connection, None)
            return
        unit = self.todo.pop()
        self.busy[connection] = (process, list(unit))
        connection.send(unit)

    def _listen(self, connection: Connection) -> None:
        process, left = self.busy[connection]
        try:
            event = connection.recv()
        except (EOFError, ConnectionResetError):
            del self.busy[connection]
            process.join()
            if process.exitcode == 0:  # it was interrupted, and has saved its run
                raise Interrupted from None
            reason = f"its process died with exit code {process.exitcode}"
            for event in _failed(left, self.how, reason):
                self.report(event)
            if self.todo:
                self._start()
            return
        self.report(event)
        if event.status:
            left.remove(event.run)
            if not left:
                self._feed(connection, process)

    def _stop(self) -> None:
        for process, _ in self.busy.values():
            process.terminate()
        for process, _ in self.busy.values():
            process.join(timeout=10)
