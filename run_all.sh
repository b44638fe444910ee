#!/usr/bin/env bash
# The whole reproduction: trains what is missing, writes the tables, draws every figure.
#   bash run_all.sh                    about half an hour on two cores (preset quick)
#   bash run_all.sh --preset smoke     three minutes, proves that everything works
# Every option of `python -m benchmark` can follow. Interrupt it freely: the same command continues.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./setup_python.sh
exec "$python" -m benchmark --reproduce all "$@"
