# Sourced by run_all.sh and run_tests.sh: sets $python to an interpreter with the packages.
# The active Python is used if it has them all, in whatever version; otherwise .venv is made once and
# filled with the pinned ones.
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${PYTHON:-python3}"
has_packages() {
    "$1" - "$here/requirements.txt" <<'PY' 2>/dev/null
import sys
from importlib.metadata import version  # raises where a package is missing
for line in open(sys.argv[1]):
    if line.strip():
        version(line.partition("==")[0])
PY
}
if ! has_packages "$python"; then
    if [ ! -x "$here/.venv/bin/python" ]; then
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
            echo "error: $python is older than Python 3.11; set PYTHON to a newer one" >&2
            exit 2
        }
        "$python" -m venv "$here/.venv"
    fi
    python="$here/.venv/bin/python"
    has_packages "$python" || "$python" -m pip install --quiet -r "$here/requirements.txt"
fi
