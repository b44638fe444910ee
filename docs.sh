#!/usr/bin/env bash
# The documentation as a site, built strictly into site/: a broken link fails it.
#   bash docs.sh [build]  build; open site/index.html
#   bash docs.sh serve    build at every change, at http://127.0.0.1:8000
# Uses the mkdocs in PATH, or makes .venv-docs with the packages of the extra `docs`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdocs="$(command -v mkdocs || true)"
if [ -z "$mkdocs" ]; then
    mkdocs=.venv-docs/bin/mkdocs
    if [ ! -x "$mkdocs" ]; then
        "${PYTHON:-python3}" -m venv .venv-docs
        .venv-docs/bin/python -m pip install --quiet $(.venv-docs/bin/python -c '
import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"])')
    fi
fi
export NO_MKDOCS_2_WARNING=1  # of its theme's makers, about another generator
if [ "${1:-build}" = serve ]; then exec "$mkdocs" serve "${@:2}"; fi
exec "$mkdocs" build --strict --quiet "${@:2}"
