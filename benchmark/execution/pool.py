"""A pool of single-threaded worker processes, each with one run, or one stack of runs, at a time.

A worker keeps Python and torch across its runs; a plugin's run has one of its own, since it may
change what all runs of its process rest on. One that dies, hangs or eats memory takes only what it
is at with it, and whatever its run has started; none outlives the process that started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from benchmark.core import mkl
from benchmark.core.errors import Interrupted, StorageError, UserError
from benchmark.core.run import Run
from benchmark.execution.how import Event, Execution
from benchmark.execution.worker import Stopper, attempt, failures

LOOK_SECONDS = 0.1  # between looks at the workers' memory and time
LEAVE_SECONDS = 4.0  # for all workers to save and leave after a signal
SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def serve(connection: Connection, how: Execution) -> None:
    """A worker: serves runs until told to stop (None), interrupted, or left alone by its parent.

    What it sends: events; last, the Interrupted or StorageError that ended it.
    """
    _tie_to_parent()
    os.setpgid(0, 0)  # what its runs start belongs to it, and ends with it
    mkl.use_full_width()

    def tell(event: Event) -> None:
        stopper.end_copy()
        try:
            connection.send(event)
        except OSError:
            raise Interrupted from None

    with Stopper() as stopper:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        try:
            while (unit := connection.recv()) is not None:
                for event in attempt(unit, how, tell, stopper):
                    tell(event)
        except (Interrupted, StorageError, UserError) as end:
            with contextlib.suppress(OSError):
                connection.send(end)
        except EOFError:
            pass
        # All is on disk; taking the interpreter down would cost seconds. What must not be left is
        # a lock of tqdm's, of which Python would warn at the end.
        multiprocessing.util._run_finalizers(0)
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(0)


def _tie_to_parent() -> None:
    """On Linux: die with the parent, and be the first that a lack of memory ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        Path("/proc/self/oom_score_adj").write_text("1000")


class _Worker:
    """A process, what it still has to do, and since when. spent: after a plugin's run."""

    def __init__(self, how: Execution) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, how), daemon=True)
        # The worker starts with signals blocked, and takes them once it can save.
        old = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self.process.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
        theirs.close()
        self.left: list[Run] = []
        self.since = 0.0
        self.spent = False
        self.verdict = ""  # why it was killed

    def give(self, unit: list[Run]) -> None:
        self.left, self.since = list(unit), time.monotonic()
        self.spent = unit[0].foreign
        with contextlib.suppress(OSError):  # a dead worker is noticed where it is listened to
            self.connection.send(unit)

    def judge(self, how: Execution) -> None:
        """Kill it where it exceeds a limit; where it is dead, what its run has started."""
        if how.timeout is not None and time.monotonic() - self.since > how.timeout:
            self.verdict = f"took longer than --timeout {how.timeout:g} s"
        elif how.max_rss is not None and _resident(self.process.pid) > how.max_rss * 1e9:
            self.verdict = f"took more memory than --max-rss {how.max_rss:g} GB"
        if self.verdict or wait([self.process.sentinel], timeout=0):
            self.end()

    def retire(self) -> None:
        """Nothing is left for it to do."""
        with contextlib.suppress(OSError):
            self.connection.send(None)
        wait([self.process.sentinel], timeout=LEAVE_SECONDS)
        self.end()

    def end(self) -> None:
        """Kill it, and all that its runs have started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()  # where it has not come to have a group

    def epitaph(self) -> str:
        """Why it is gone."""
        wait([self.process.sentinel], timeout=LEAVE_SECONDS)  # its end of the pipe closes first
        self.end()
        self.process.join()
        code = self.process.exitcode
        if self.verdict:
            return self.verdict
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"its process died with {how}"


def _resident(pid: int) -> int:
    """Bytes of memory a process holds; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


class Pool:
    """Feeds workers, one unit of runs at a time each, and survives their death."""

    def __init__(self, units: Sequence[list[Run]], how: Execution, report: Callable) -> None:
        self.todo = list(units)[::-1]
        self.how, self.report = how, report
        self.busy: dict[Connection, _Worker] = {}

    def work(self) -> None:
        """Until all is done. Raises Interrupted or StorageError after every worker has left."""
        with Stopper(patient=True) as stopper:
            try:
                for _ in range(min(self.how.jobs, len(self.todo))):
                    self._start()
                while self.busy:
                    for connection in wait(list(self.busy), timeout=LOOK_SECONDS):
                        self._listen(self.busy[connection])
                    stopper.check()
                    for worker in self.busy.values():
                        worker.judge(self.how)
            finally:
                self._stop()

    def _start(self) -> None:
        worker = _Worker(self.how)
        self.busy[worker.connection] = worker
        worker.give(self.todo.pop())

    def _listen(self, worker: _Worker) -> None:
        try:
            message: Any = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            del self.busy[worker.connection]
            for event in failures(worker.left, self.how, worker.epitaph()):
                self.report(event)
            if self.todo:
                self._start()
            return
        if isinstance(message, BaseException):
            raise message
        self.report(message)
        if message.status and message.run in worker.left:
            worker.left.remove(message.run)
            if not worker.left:
                self._go_on(worker)

    def _go_on(self, worker: _Worker) -> None:
        if worker.verdict:  # it is dying, and takes nothing new
            return
        if self.todo and not worker.spent and not self.todo[-1][0].foreign:
            worker.give(self.todo.pop())
            return
        del self.busy[worker.connection]
        worker.retire()
        if self.todo:
            self._start()

    def _stop(self) -> None:
        """End all workers: what they are at is saved, unless that takes too long."""
        for worker in self.busy.values():
            worker.process.terminate()
        deadline = time.monotonic() + LEAVE_SECONDS
        for worker in self.busy.values():
            wait([worker.process.sentinel], timeout=max(0.0, deadline - time.monotonic()))
            worker.end()
