"""Runs as the tasks of a SLURM array job, through submitit.

A task does what a local worker does, in the same run folders on the shared disk. One that is
preempted or reaches its time limit saves, is queued again, and continues from its checkpoint.
Whether tasks live is asked of squeue, which every cluster has, not of the accounting.

Tasks and their results are pickled, which executes what it reads: every command has a folder for
them that nobody else can write, and reads nothing elsewhere.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmark.core import mkl
from benchmark.core.errors import Interrupted, StorageError, UserError, first_line, storage
from benchmark.core.files import refuse_links
from benchmark.core.paths import ROOT
from benchmark.core.run import Run
from benchmark.execution.how import Event, Execution, Slurm
from benchmark.execution.launch import launch, stacks
from benchmark.execution.worker import Stopper, failures, set_aside

LOOK_SECONDS = 0.5  # between looks for results
QUEUE_SECONDS = 5.0  # between looks at the queue
LEAVE_SECONDS = 4.0  # for cancelled tasks to leave the queue
MISSED = 3  # looks at the queue that must miss a task before it is given up
REQUEUES = 10_000  # a task may reach its time limit as often as it takes


class Task:
    """One unit of runs, to be called on a node of the cluster. Returns the last events of its runs,
    or the error that ended it.
    """

    def __init__(self, unit: Sequence[Run], how: Execution) -> None:
        self.unit, self.how = list(unit), how._replace(jobs=1, slurm=None)

    def __call__(self) -> list[Event] | StorageError | UserError:
        mkl.use_full_width()
        events: list[Event] = []
        ending = False  # the time limit is near
        submitit_requeues = signal.getsignal(signal.SIGUSR2)

        def save(*_: Any) -> None:
            nonlocal ending
            ending = True
            os.kill(os.getpid(), signal.SIGTERM)

        signal.signal(signal.SIGUSR2, save)
        try:
            launch(self.unit, self.how, lambda event: events.append(event))
        except (StorageError, UserError) as error:
            return error
        except Interrupted:
            if ending:
                submitit_requeues(signal.SIGUSR2, None)
            os._exit(1)  # without a result: SLURM queues a preempted task again
        return [event for event in events if event.status]

    def checkpoint(self) -> Any:
        """What submitit queues again: the same; the state lies in the run folders."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class Cluster:
    """Submits runs, in units, and collects them. Nothing stays in the queue when it is left."""

    def __init__(self, runs: Sequence[Run], how: Execution, report: Callable) -> None:
        self.how, self.report = how._replace(out=how.out.resolve()), report
        self.units = stacks(runs, how)
        self.folder: Path | None = None  # of what is pickled
        self.open: dict[Any, list[Run]] = {}  # by submitit's job
        self.missed: dict[Any, int] = {}

    def work(self) -> None:
        """Until all is done. Raises Interrupted, StorageError, or UserError where SLURM refuses.

        What is to be trained again is set aside here, once: a task that is queued again continues.
        """
        with Stopper(patient=True) as stopper:
            try:
                self._submit()
                looked = time.monotonic()
                while self.open:
                    stopper.check()
                    for job in [j for j in self.open if j.paths.result_pickle.exists()]:
                        self._collect(job)
                    if time.monotonic() - looked > QUEUE_SECONDS:
                        looked = time.monotonic()
                        self._mourn()
                    time.sleep(LOOK_SECONDS)
            finally:
                self._cancel()

    def _submit(self) -> None:
        if not self.units:
            return
        if not shutil.which("sbatch"):
            raise UserError("--launcher slurm: there is no sbatch here")
        import submitit

        if self.how.force:
            for unit in self.units:
                set_aside(unit, self.how)
            self.how = self.how._replace(force=False)
        self.folder = private(self.how.out / self.units[0][0].folder)
        self.identity = inode(self.folder)
        executor = submitit.AutoExecutor(
            self.folder, cluster="slurm", slurm_max_num_timeout=REQUEUES
        )
        executor.update_parameters(**parameters(self.how.slurm, min(self.how.jobs, 1000)))
        try:
            with executor.batch():
                jobs = [executor.submit(Task(unit, self.how)) for unit in self.units]
        except Exception as error:
            raise UserError(f"--launcher slurm: {first_line(error)}") from None
        self.open = dict(zip(jobs, self.units, strict=True))

    def _collect(self, job: Any) -> None:
        unit = self.open.pop(job)
        try:
            self._see_that_it_is_ours(job.paths.result_pickle)
            result = job.result()
        except Exception as error:
            result = failures(unit, self.how, first_line(error))
        if isinstance(result, StorageError | UserError):
            raise result
        for event in result:
            self.report(event)

    def _see_that_it_is_ours(self, path: Path) -> None:
        """Raises PermissionError on a file that none of our tasks can have written."""
        found = path.lstat()
        ours = path.parent == self.folder and inode(path.parent) == self.identity
        if not (ours and stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()):
            raise PermissionError(f"{path} is not what its task wrote")

    def _mourn(self) -> None:
        """Record the failure of tasks that are gone and have left no result."""
        alive = queued(self.open)
        for job in list(self.open):
            gone = job.job_id not in alive and not job.paths.result_pickle.exists()
            self.missed[job] = self.missed.get(job, 0) + 1 if gone else 0
            if self.missed[job] >= MISSED:
                reason = f"its task {job.job_id} ended without a result; see {job.paths.stderr}"
                for event in failures(self.open.pop(job), self.how, reason):
                    self.report(event)

    def _cancel(self) -> None:
        if not self.open:
            return
        subprocess.run(["scancel", *(job.job_id for job in self.open)], capture_output=True)
        deadline = time.monotonic() + LEAVE_SECONDS
        while queued(self.open) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)


def private(folder: Path) -> Path:
    """A fresh folder in one, for this user alone. Raises UserError where another user could put
    another one in its place.
    """
    refuse_links(folder)
    with storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.geteuid() or found.st_mode & stat.S_IWOTH:
            raise UserError(
                f"--launcher slurm: other users may write in {folder}; choose another --out"
            )
        return Path(tempfile.mkdtemp(prefix="slurm-", dir=folder))


def inode(folder: Path) -> tuple[int, int, int]:
    """What tells a folder from any other in its place."""
    found = folder.lstat()
    return found.st_dev, found.st_ino, found.st_mode


def parameters(slurm: Slurm, parallel: int) -> dict[str, Any]:
    """What submitit is told."""
    chosen = {
        "name": "lbt-bench",
        "timeout_min": math.ceil(60 * slurm.hours),
        "mem_gb": slurm.memory,
        "cpus_per_task": 1,
        "slurm_array_parallelism": parallel,
        "slurm_setup": [f'export PYTHONPATH="{ROOT}:$PYTHONPATH"'],
        "slurm_additional_parameters": {"requeue": True},
    }
    if slurm.partition:
        chosen["slurm_partition"] = slurm.partition
    if slurm.gpus:
        chosen["gpus_per_node"] = slurm.gpus
    return chosen


def queued(jobs: dict[Any, list[Run]]) -> set[str]:
    """Those tasks that squeue lists. All of them where squeue does not answer."""
    command = ["squeue", "--noheader", "--array", "--format=%i", "--me"]
    found = subprocess.run(command, capture_output=True, text=True)
    ours = {job.job_id for job in jobs}
    return ours & set(found.stdout.split()) if found.returncode == 0 else ours
