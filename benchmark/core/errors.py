"""What ends a command early: told in one line, inert in a terminal, with an exit code."""

from __future__ import annotations

import contextlib
import difflib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

# Exit codes of the command line; README and docs/RELIABILITY.md list them.
DONE, FAILED, BAD_INPUT, STORAGE, INTERRUPTED = 0, 1, 2, 3, 130
ELSEWHERE = {  # what other programs call a setting -> its name here
    "lr": "eta_theta", "learning_rate": "eta_theta", "lr_g": "eta_theta", "lr_d": "eta_psi",
    "updates": "iterations", "steps": "iterations", "epochs": "iterations", "bs": "batch",
    "batch_size": "batch", "latent_dim": "z_dim", "nz": "z_dim", "hidden_dim": "hidden",
}  # fmt: skip
LONGEST = 400  # characters of a message; what is quoted in it may be a megabyte


class UserError(Exception):
    """Bad input: the message says what, where, and what to do."""


class StorageError(Exception):
    """A file could not be written, made or moved: a full disk, a missing permission."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(str(path), reason)

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.args[1]}"


class Refused(Exception):
    """A run was not gone on with, since its numbers would not be those of one program."""


class Interrupted(BaseException):
    """A signal asked the process to stop. No Exception, so that nothing of a method's or a
    library's takes it for a failure of its own.
    """


@contextlib.contextmanager
def storage(path: Path) -> Iterator[None]:
    """Errors of the operating system inside become a StorageError naming the path."""
    try:
        yield
    except OSError as error:
        raise StorageError(error.filename or path, error.strerror or str(error)) from None


def fail(code: int, message: object) -> int:
    """Say in one line what is wrong; returns the code."""
    print(f"error: {printable(message)}", file=sys.stderr)
    return code


def exit_code(command: Callable[[], int]) -> int:
    """A command's own exit code, or that of what ended it, told in one line."""
    try:
        return command()
    except UserError as error:
        return fail(BAD_INPUT, error)
    except StorageError as error:
        return fail(STORAGE, error)


def printable(text: object) -> str:
    """One line without control characters, so that no terminal obeys what it shows."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in str(text))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def first_line(error: BaseException) -> str:
    """An exception as one line: its type, and the first line of its message."""
    message = str(error).strip().splitlines()
    return printable(f"{type(error).__name__}: {message[0]}" if message else type(error).__name__)


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """An error for a name that is not among ``known``, with the one that was likely meant."""
    name, known = shortened(str(name)), sorted(known)
    meant = nearest(name, known)
    hint = f"did you mean {meant!r}?" if meant else f"choose from {', '.join(known)}"
    return UserError(f"unknown {kind} {name!r}; {hint}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that another one likely means: written alike but for case and hyphens, called
    so elsewhere, or spelt nearly like it.
    """
    plain = name.lower().replace("-", "_")
    alike = {other.lower().replace("-", "_"): other for other in known}
    if ELSEWHERE.get(plain) in alike:
        plain = ELSEWHERE[plain]
    near = difflib.get_close_matches(plain, alike, n=1)
    return alike[near[0]] if near else None


def shortened(text: str, length: int = 80) -> str:
    """The text, or its beginning, without line breaks."""
    text = re.sub(r"\s+", " ", text[: length + 1])
    return text if len(text) <= length else f"{text[: length - 3]}..."
