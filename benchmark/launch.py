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
    """How runs are carried out. Only the device decides numbers: a GPU draws other noise."""

    out: Path
    jobs: int
    device: str = "cpu"
    compile: bool = True
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
    if how.jobs == 1 or len(runs) <= 1:
        with _Stopper() as stopper:
            for run in runs:
                report(_attempt(run, how, report, stopper))
    else:
        _Pool(runs, how, report).work()


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


def _attempt(run: Run, how: Execution, report: Callable[[Event], None], stopper: _Stopper) -> Event:
    """One run in this process; any exception of the method becomes status ``failed``."""
    import torch

    from benchmark import compile, provenance
    from benchmark.loop import execute
    from benchmark.store import RunFolder

    torch.set_num_threads(1)  # two threads on shared cores wait for each other, spinning
    folder = RunFolder(how.out, run, provenance.code_version(run.module))
    last = time.monotonic()

    def progress(step: int) -> None:
        nonlocal last
        stopper.check()
        if time.monotonic() - last > PROGRESS_SECONDS:
            last = time.monotonic()
            report(Event(run, step))

    try:
        folder.open(how.force)
        jit = compile.Jit(how.compile and compile.pays(run.budget.iterations))
        status = execute(
            run,
            folder,
            device=how.device,
            jit=jit,
            checkpoint_seconds=how.checkpoint_seconds,
            progress=progress,
        )
    except Interrupted:
        raise
    except Exception as error:
        return _failed(run, how, first_line(error))
    return Event(run, run.budget.iterations, status)


def _failed(run: Run, how: Execution, reason: str) -> Event:
    """Record a failure, so that it is a row in every table; what was saved stays."""
    from benchmark import provenance
    from benchmark.store import RunFolder

    folder = RunFolder(how.out, run, provenance.code_version(run.module))
    record = {"status": "failed", "reason": reason, "commit": provenance.commit()}
    folder.write_provenance(record | {"device": how.device})
    return Event(run, status="failed", reason=reason)


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
            while (run := connection.recv()) is not None:
                connection.send(_attempt(run, how, tell, stopper))
        except (Interrupted, EOFError, BrokenPipeError):
            pass


class _Pool:
    """Feeds workers, one run at a time each, and survives their death."""

    def __init__(self, runs: Sequence[Run], how: Execution, report: Callable) -> None:
        self.todo = list(runs)[::-1]
        self.how, self.report = how, report
        self.busy: dict[Connection, tuple[Any, Run]] = {}

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
        run = self.todo.pop()
        self.busy[connection] = (process, run)
        connection.send(run)

    def _listen(self, connection: Connection) -> None:
        process, run = self.busy[connection]
        try:
            event = connection.recv()
        except (EOFError, ConnectionResetError):
            del self.busy[connection]
            process.join()
            if process.exitcode == 0:  # it was interrupted, and has saved its run
                raise Interrupted from None
            reason = f"its process died with exit code {process.exitcode}"
            self.report(_failed(run, self.how, reason))
            if self.todo:
                self._start()
            return
        self.report(event)
        if event.status:
            self._feed(connection, process)

    def _stop(self) -> None:
        for process, _ in self.busy.values():
            process.terminate()
        for process, _ in self.busy.values():
            process.join(timeout=10)
