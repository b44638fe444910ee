"""Where runs execute on a machine: in this process, or in worker processes of their own.

Results do not depend on where: every run has one thread, its own folder and its own noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmark import data
from benchmark.core.modules import plugins
from benchmark.core.run import Run
from benchmark.execution.how import Event, Execution
from benchmark.execution.worker import Stopper, attempt


def launch(runs: Sequence[Run], how: Execution, report: Callable[[Event], None]) -> None:
    """Execute the runs, in order of the sequence as workers come free; report every event.

    Raises Interrupted after a signal, and StorageError where results cannot be written; what was
    done until then is saved.
    """
    units = stacks(runs, how)
    if guarded(runs, how) or min(how.jobs, len(units)) > 1:
        from benchmark.execution.pool import Pool

        Pool(units, how, report).work()
    else:
        with Stopper() as stopper:
            for unit in units:
                for event in attempt(unit, how, report, stopper):
                    report(event)


def guarded(runs: Sequence[Run], how: Execution) -> bool:
    """Whether the runs need a process of their own even one at a time: for a limit to be kept, or
    since code from outside this project may end the process it runs in, or has been imported here
    and may have changed what all runs rest on.
    """
    foreign = bool(plugins) or any(run.foreign for run in runs)
    return bool(runs) and (how.timeout is not None or how.max_rss is not None or foreign)


def stacks(runs: Sequence[Run], how: Execution) -> list[list[Run]]:
    """Runs that differ in their seed alone, together where ``how`` stacks them; in the order of
    their first ones.
    """
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        faster = how.device == "cuda" and data.entry(run.data).flat
        together = faster if how.stack is None else how.stack
        key = (run.dataset, run.label, None if together else run.seed)
        groups.setdefault(key, []).append(run)
    return list(groups.values())
