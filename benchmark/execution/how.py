"""How runs are carried out, and what is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from benchmark.core.run import Run
from benchmark.training.fid import Fid


class Slurm(NamedTuple):
    """What every task of a cluster job asks for. hours: wall time. memory: GB."""

    partition: str | None = None
    hours: float = 24.0
    gpus: int = 0
    memory: float = 4.0


Engine = Literal["auto", "native", "compiled", "eager"]


class Execution(NamedTuple):
    """How runs are carried out. Only the device decides numbers: a GPU draws other noise.

    engine: kernels for CPUs where there are any, and compiled code elsewhere (native); that alone
    (compiled); neither (eager); or what pays: native and compiled for runs of many updates (auto).
    stack: train the seeds of one method on one dataset as one program; None: where that is faster,
    which is 2D data on a GPU. tf32: on a GPU, let matrix products round their inputs to 10 bits.
    timeout: seconds that a run, or a stack of runs, may take in one go. checkpoint_share: of the
    time, for saving; the interval grows where it would be exceeded. max_rss: GB of memory that its
    process may hold. mixed_engines: go on with what another engine has begun. slurm: on a cluster,
    not here. fid: scores of photographs, of runs that end here. keep_generator: as of
    ``training.loop.execute``. data_root, offline: as of
    ``data.fetch.configure``.
    """

    out: Path
    jobs: int
    device: str = "cpu"
    engine: Engine = "auto"
    stack: bool | None = None
    tf32: bool = False
    checkpoint_seconds: float = 60.0
    checkpoint_share: float = 0.01
    force: bool = False
    timeout: float | None = None
    max_rss: float | None = None
    mixed_engines: bool = False
    slurm: Slurm | None = None
    fid: Fid | None = None
    keep_generator: bool = False
    data_root: Path | None = None
    offline: bool = False


class Event(NamedTuple):
    """News of a run: ``step`` done so far, or a final ``status`` with a reason.

    status: complete, diverged or failed; held where another process has the run, refused where it
    would have gone on with another engine.
    """

    run: Run
    step: int = 0
    status: str = ""
    reason: str = ""
