"""One command: text in, exit code out, what goes wrong told in one line.

Heavy imports happen only where they are needed, so that --help and --list answer at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from benchmark.cli import commands, options
from benchmark.core import mkl
from benchmark.core.errors import (
    BAD_INPUT,
    FAILED,
    INTERRUPTED,
    STORAGE,
    Interrupted,
    StorageError,
    UserError,
    fail,
)
from benchmark.store.lock import Held


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (``benchmark.core.errors``)."""
    again = "the same command"
    try:
        arguments = options.parser().parse_args(argv)
        again += " without --force" * arguments.force
        code = run(arguments)
        sys.stdout.flush()
        return code
    except (KeyboardInterrupt, Interrupted):
        print(f"interrupted; {again} continues", file=sys.stderr)
        return INTERRUPTED
    except UserError as error:
        return fail(BAD_INPUT, error)
    except StorageError as error:
        return fail(STORAGE, f"{error}; {again} continues once the cause is gone")
    except Held as held:
        return fail(FAILED, f"the tables are {held}; --report rebuilds them later")
    except OSError as error:
        where = error.filename or "standard output"
        if where == "standard output":  # nothing more can be written there, not even at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return fail(STORAGE, f"{where}: {error.strerror}")


def run(arguments: argparse.Namespace) -> int:
    """Carry out parsed arguments."""
    if arguments.list is not None:
        return commands.show_list(arguments.list, tuple(arguments.plugin))
    if arguments.claims:
        return commands.claims(arguments.out, arguments.preset)
    mkl.use_full_width()  # before what brings torch in
    from benchmark.cli import request

    asked = request.resolve(arguments)
    if arguments.report:
        return commands.report(asked)
    how = options.execution(arguments, asked.job, asked.runs)
    return commands.plan(asked, how) if arguments.plan else commands.train(asked, how)
