"""One writer per folder: a lock that names its holder and ends with it.

The lock is the operating system's (flock, through filelock): when its process dies, however it
dies, the next one gets it. What is written into the file is for people, and for the message of a
process that comes second.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark.core.errors import printable, storage
from benchmark.core.files import refuse_links


class Held(Exception):
    """Another living process has the lock; the message names it."""


@contextlib.contextmanager
def locked(path: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock file ``path``; waits that many seconds for its holder. Raises Held."""
    owner = os.getpid()
    refuse_links(path)
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=wait, poll_interval=0.1)
        except Timeout:
            raise Held(f"held by {holder(path)}") from None
    try:
        with storage(path):
            path.write_text(json.dumps(identity()) + "\n")
        yield
    finally:
        if os.getpid() != owner:  # a copy, forked by a method's code
            os._exit(1)
        # Removed while held: who waits for the removed file sees that it is gone and starts over.
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()


@cache
def identity() -> dict[str, str | int]:
    """Host, process number and start time of this process."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": _started()}


def holder(path: Path) -> str:
    """Who holds a lock, in words."""
    try:
        who = json.loads(path.read_text())
        text = f"process {who['pid']} on {who['host']}, started {who['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has not named itself yet"
    return printable(text)


def _started() -> str:
    """When this process began, to the second; now where the system does not tell."""
    try:
        since_boot = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        stat = Path("/proc/stat").read_text()
        boot = next(int(line[6:]) for line in stat.splitlines() if line.startswith("btime "))
        moment = boot + since_boot / os.sysconf("SC_CLK_TCK")
    except OSError:
        moment = datetime.now(UTC).timestamp()
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
