#!/usr/bin/env bash
# Installs the project the way a user would, each way into an environment of its own, and uses it
# from another folder: bash tests/install.sh pip editable uv. Needs a package index (or pip's
# find-links); torch's CPU wheel is enough.
set -euo pipefail
project="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="${PYTHON:-python3}"

try() {  # a way to install; then the command, from a folder with nothing in it
    local work; work="$(mktemp -d)"
    trap 'rm -rf "$work"' RETURN
    cd "$work"
    case "$1" in
        pip | editable)
            "$python" -m venv env
            local source=(--constraint "$project/requirements.txt" "$project")
            [ "$1" = pip ] || source=(--constraint "$project/requirements.txt" --editable "$project")
            env/bin/python -m pip install --quiet "${source[@]}"
            bench=(env/bin/lbt-bench) ;;
        uv) bench=(uv run --no-project --with "$project" lbt-bench) ;;
        *) echo "unknown way: $1" >&2; return 2 ;;
    esac
    "${bench[@]}" --list wgan_gp > listed
    grep -q lambda_gp listed
    "${bench[@]}" --preset smoke --methods gan,lbt --seeds 0 --jobs 1 --set ring.iterations=2 \
        --set ring.batch=8 --set ring.final_samples=2000 --set ring.eval_samples=1000 \
        --set lbt.M=1 --set lbt.K=1 > table
    grep -q gan table
    local folder; folder="$(echo results/smoke*)"
    # The page is made of the shipped templates, claims and table of published numbers.
    test -s "$folder/index.html" && test -s "$folder/summary.csv"
}

for way in "${@:-pip}"; do
    begun=$SECONDS
    (try "$way")
    echo "$way: installed, trained and drawn in $((SECONDS - begun)) s"
done
