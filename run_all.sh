#!/usr/bin/env bash
# The whole reproduction: trains what is missing, writes the tables, draws every figure.
#   bash run_all.sh                    about 45 minutes on two cores (preset quick)
#   bash run_all.sh --preset smoke     three minutes, proves that everything works
# Every option of `python -m benchmark` can follow: --jobs 4, --timeout 7200, --launcher slurm, ...
# Interrupt it freely: the same command continues. Exit codes: 0 done, 1 a run failed, 2 bad input,
# 3 a file could not be written (say, a full disk), 130 interrupted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./setup_python.sh
exec "$python" -m benchmark --reproduce all "$@"
