"""Carrying out runs in this process: signals, locks, and failures that become a status."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmark.core.errors import Interrupted, Refused, StorageError, first_line
from benchmark.core.modules import path_of
from benchmark.core.run import Run, pays
from benchmark.data import fetch
from benchmark.execution.how import Event, Execution
from benchmark.store import provenance
from benchmark.store.folder import RunFolder
from benchmark.store.lock import Held

PROGRESS_SECONDS = 0.5  # between reports of one worker
GRACE = 3.0  # seconds after a signal for the step in progress to end; then it is broken off


class Stopper:
    """Turns SIGINT, SIGTERM and, unless nohup has it ignored, SIGHUP into ``Interrupted``: at the
    next ``check``, or wherever the process is once GRACE seconds have passed without one (never,
    where ``patient``). Further signals change nothing.
    """

    def __init__(self, patient: bool = False) -> None:
        self.requested = False
        hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
        self.signals = (signal.SIGINT, signal.SIGTERM, *[signal.SIGHUP] * hangs_up)
        self._process = os.getpid()
        self._patient = patient

    def __enter__(self) -> Stopper:
        self._old = {number: signal.signal(number, self._request) for number in self.signals}
        self._old[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._break_off)
        return self

    def __exit__(self, *_: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._old.items():
            # A process that leaves must not be cut short by a further signal, not even while the
            # interpreter, which takes handlers down first, winds up.
            signal.signal(number, signal.SIG_IGN if self.requested else handler)

    def _request(self, *_: Any) -> None:
        if not self.requested and not self._patient:
            signal.setitimer(signal.ITIMER_REAL, GRACE)
        self.requested = True

    def _break_off(self, *_: Any) -> None:
        warnings.simplefilter("ignore")  # torch, cut off within a compilation, would trace back
        raise Interrupted

    def check(self) -> None:
        """Raises Interrupted after a signal; from then on there is time to save."""
        self.end_copy()
        if self.requested:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise Interrupted

    def end_copy(self) -> None:
        """End this process where a method's code has forked it: what it holds is another's."""
        if os.getpid() != self._process:
            os._exit(1)


def attempt(
    unit: Sequence[Run], how: Execution, report: Callable[[Event], None], stopper: Stopper
) -> list[Event]:
    """Runs trained together, in this process; any exception of the method becomes status
    ``failed``. Returns their last events.
    """
    free, events = [], []
    with contextlib.ExitStack() as locks:
        for run in unit:
            folder = RunFolder(how.out, run)
            try:
                locks.enter_context(folder.lock())
            except Held as held:
                events.append(Event(run, status="held", reason=str(held)))
                continue
            if not how.force and folder.finished():  # by another process, since we looked
                events.append(Event(run, run.budget.iterations, folder.status()))
            else:
                free.append(folder)
        if not free:
            return events
        try:
            return events + _train(free, how, report, stopper)
        except (Interrupted, StorageError):
            raise
        except Refused as refusal:
            return events + [Event(f.run, status="refused", reason=str(refusal)) for f in free]
        except Exception as error:
            stopper.end_copy()
            return events + [_raised(folder, how, error) for folder in free]


def _train(
    folders: list[RunFolder], how: Execution, report: Callable[[Event], None], stopper: Stopper
) -> list[Event]:
    from benchmark.training import compile
    from benchmark.training.loop import Saving, execute
    from benchmark.training.prepare import set_up_torch

    fetch.configure(how.data_root, how.offline)
    set_up_torch(how.tf32)
    last = time.monotonic()
    runs = [folder.run for folder in folders]

    def progress(step: int) -> None:
        nonlocal last
        stopper.check()
        if time.monotonic() - last > PROGRESS_SECONDS:
            last = time.monotonic()
            for run in runs:
                report(Event(run, step))

    for folder in folders:
        folder.open(how.force)
    worth = pays(runs[0].budget.iterations)
    statuses = execute(
        runs,
        folders,
        device=how.device,
        jit=compile.Jit(how.engine != "eager" and worth, len(runs) > 1, how.mixed_engines),
        native=kernels_serve(how, len(runs), worth),
        saving=Saving(how.checkpoint_seconds, how.checkpoint_share),
        progress=progress,
        fid=how.fid,
        keep_generator=how.keep_generator,
    )
    return [
        Event(run, run.budget.iterations, status)
        for run, status in zip(runs, statuses, strict=True)
    ]


def kernels_serve(how: Execution, seeds: int, worth: bool) -> bool:
    """Whether native kernels are asked for: they are for one seed on a CPU."""
    asked = how.engine == "native" or (how.engine == "auto" and worth)
    return asked and how.device == "cpu" and seeds == 1


def set_aside(unit: Sequence[Run], how: Execution) -> None:
    """Begin runs anew, the old ones aside; those that another process has stay as they are."""
    for run in unit:
        folder = RunFolder(how.out, run)
        with contextlib.suppress(Held), folder.lock():
            folder.open(force=True)


def failures(unit: Sequence[Run], how: Execution, reason: str) -> list[Event]:
    """Record a failure of runs whose process is gone."""
    events = []
    for run in unit:
        folder = RunFolder(how.out, run)
        try:
            with folder.lock():
                events.append(_failure(folder, how, reason))
        except Held as held:
            events.append(Event(run, status="held", reason=str(held)))
    return events


def _raised(folder: RunFolder, how: Execution, error: Exception) -> Event:
    """Record what a method raised: in a line, with the last line of the method's own code; and
    whole in a file, which the event names.
    """
    own = {path_of(name).parent for name in (folder.run.module, folder.run.source)}
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent in own
    ]
    reason = first_line(error)
    if frames:
        reason += f", {Path(frames[-1].filename).name} line {frames[-1].lineno}: {frames[-1].line}"
    event = _failure(folder, how, reason)
    if event.status != "failed":
        return event
    folder.write_error("".join(traceback.format_exception(error)))
    return event._replace(reason=f"{reason} (traceback in {folder.error})")


def _failure(folder: RunFolder, how: Execution, reason: str) -> Event:
    """Record a failure, so that it is a row in every table; what was saved stays. A run that is
    finished all the same keeps its status, and one of another version its record, aside.
    """
    if folder.finished():
        return Event(folder.run, status=folder.status())
    if not folder.matches():
        folder.open()
    record = {"status": "failed", "reason": reason, "commit": provenance.commit()}
    folder.write_provenance(record | {"device": how.device})
    return Event(folder.run, status="failed", reason=reason)
