#!/usr/bin/env bash
# Lint and tests. Options are passed to pytest: bash run_tests.sh -m "slow or not slow"
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./setup_python.sh
"$python" -m ruff check .
"$python" -m ruff format --check .
exec "$python" -m pytest "$@"
