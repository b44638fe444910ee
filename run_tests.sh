#!/usr/bin/env bash
# Lint and tests, side by side on at most eight cores, a file each at a time. Options are passed to
# pytest: bash run_tests.sh -m "slow or not slow"; -n 0 runs them one after the other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./setup_python.sh
"$python" -m ruff check .
"$python" -m ruff format --check .
exec "$python" -m pytest -n auto --maxprocesses 8 --dist loadfile "$@"
