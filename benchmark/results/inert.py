"""Names in outputs, inert: what a reader or a program sees is what the name says, never obeyed."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd

from benchmark.core.errors import printable
from benchmark.core.files import write_text


def markdown(text: str) -> str:
    """For a cell or a line of Markdown: no HTML, no links, no code, no mathematics."""
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`|$]|(?<=\])\()", r"\\\1", text)


def cell(value: object) -> object:
    """For a CSV file that a spreadsheet may open: text that it would take for a formula gets the
    apostrophe that marks it as text.
    """
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """``cell`` on every column of text."""
    text = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    return table.assign(**{name: table[name].map(cell) for name in text})


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Replace a CSV file atomically; equal tables give equal bytes."""
    buffer = io.StringIO()
    cells(table).to_csv(buffer, index=False, lineterminator="\n", float_format="%.10g")
    write_text(path, buffer.getvalue())
