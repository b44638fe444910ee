"""Standard streams that a shell has closed (``2>&-``)."""

from __future__ import annotations

import os
import sys


def reopen() -> None:
    """Make closed ones lead nowhere; else the first file that is opened would get their number, and
    what libraries say would be written into it. For the start of a command.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number
    sys.stdout = sys.stdout or open(1, "w", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)
