"""The command line: text in, exit code out. Knows every room; none knows it."""

from benchmark.cli.main import main

__all__ = ["main"]
