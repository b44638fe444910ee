"""``python -m benchmark``: the command line, or one line where its packages are missing."""

from __future__ import annotations

import sys

from benchmark.core import streams
from benchmark.core.errors import BAD_INPUT, fail

streams.reopen()
try:
    from benchmark.cli import main
except ModuleNotFoundError as error:
    if error.name and error.name.partition(".")[0] in ("benchmark", "methods", "metrics"):
        raise  # a file of this project is gone, which no package brings back
    sys.exit(
        fail(
            BAD_INPUT,
            f"{sys.executable} has no package {error.name!r}; "
            "activate .venv (run_all.sh makes it), or pip install -r requirements.txt",
        )
    )

if __name__ == "__main__":
    sys.exit(main())
