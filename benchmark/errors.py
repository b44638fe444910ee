"""Mistakes of the user, told in one line with exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input: the message says what, where, and what to do."""


def first_line(error: BaseException) -> str:
    """An exception as one line: its type, and the first line of its message."""
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0]}" if message else type(error).__name__


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """An error for a name that is not among ``known``, with the nearest match suggested."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
    return UserError(f"unknown {kind} {name!r}; {hint}")
