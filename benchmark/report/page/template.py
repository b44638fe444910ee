"""A page of its own: a template filled, with styles and scripts, that loads nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmark.report.page.grids import number

HERE = Path(__file__).parent
NAME = "index.html"


def fill(template: str, values: dict[str, Any]) -> str:
    """A template of this folder as a page's text."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=inert,
    )
    environment.filters |= {"code": code, "number": number}
    files = ("page.css", "page.js", "board.js")
    style, *scripts = ((HERE / name).read_text() for name in files)
    script = "".join(scripts)
    return environment.get_template(template).render(
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src '{digest(script)}'; base-uri 'none'; form-action 'none'",
        **values,
    )


def inert(value: Any) -> Any:
    """Text without control characters or such that turn the direction of writing."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)


def code(text: str) -> Markup:
    """Escaped, with ``double backquotes`` of docstrings as code."""
    return Markup(re.sub(r"``(.+?)``", r"<code>\1</code>", str(escape(inert(text)))))


def digest(script: str) -> str:
    """What a content security policy knows an inline script by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
