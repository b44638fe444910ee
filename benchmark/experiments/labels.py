"""Names of methods and their variants: ``lbt[mog,K=3]`` read and written."""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

from benchmark.core import strict_yaml
from benchmark.core.errors import UserError, shortened

LABEL_LENGTH = 120  # characters in the brackets of a label; file systems end at 255


def parse_override(text: str) -> tuple[str, str, Any]:
    """``method.key=value`` or ``dataset.key=value`` -> (owner, key, value); value read as YAML."""
    target, separator, value = text.partition("=")
    owner, dot, key = target.partition(".")
    if not (separator and dot and owner and key):
        raise UserError(f"--set {shortened(text)}: expected method.key=value or dataset.key=value")
    where = f"--set {shortened(target)}: cannot read the value {shortened(value)!r}"
    return owner, key, strict_yaml.load(value, where)


class Label(NamedTuple):
    """A method as a user names it: key, the name of a shipped variant or "", and settings."""

    key: str
    variant: str
    settings: dict[str, Any]


def parse_label(text: str) -> Label:
    """``lbt[mog,K=3,M=5]`` -> (lbt, mog, {K: 3, M: 5}); values read as YAML."""
    key, opened, inner = text.partition("[")
    if not opened:
        return Label(text, "", {})
    if not inner.endswith("]"):
        raise UserError(
            f"method {shortened(text)!r}: expected name[variant] or name[setting=value,...]"
        )
    first, *rest = inner[:-1].split(",")
    variant, rest = (first, rest) if "=" not in first else ("", [first, *rest])
    settings = {k: v for _, k, v in (parse_override(f"{key}.{part}") for part in rest)}
    return Label(key, variant, settings)


def bracket(changed: dict[str, Any], prefix: str = "", variant: str = "") -> str:
    """``[mog,K=3,M=5]``, safe as part of a folder's name; nothing for no changes."""
    parts = [f"{prefix}{k}={v}" for k, v in sorted(changed.items())]
    inner = ",".join([variant, *parts] if variant else parts)
    safe = re.sub(r"[^A-Za-z0-9_.,=+-]", "_", inner)
    if safe != inner:  # other settings could become the same text
        safe += f"~{hashlib.sha256(inner.encode()).hexdigest()[:8]}"
    return cut(f"[{safe}]", LABEL_LENGTH) if inner else ""


def cut(name: str, length: int) -> str:
    """A folder's name of at most that length; a longer one ends in its hash."""
    if len(name) <= length:
        return name
    return f"{name[: length - 10]}~{hashlib.sha256(name.encode()).hexdigest()[:8]}]"
