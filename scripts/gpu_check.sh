#!/usr/bin/env bash
# Whether SEPM runs on this machine's GPU as on a CPU, and what it costs: at most 9 minutes.
#
#   bash scripts/gpu_check.sh [FOLDER] [--steps NAME…]
#
# FOLDER gets logs and JSON [results/gpu-check-DATE]. Nothing is installed: SEPM_PYTHON names the
# Python, else .venv's, else python3. What it lacks of small packages may lie unpacked in
# scripts/packages (python -m zipfile -e shortuuid-….whl scripts/packages), or in the folder that
# GPU_CHECK_PACKAGES names. Status: 0 all held; 1 something did not; 2 no GPU here, or no such Python.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${SEPM_PYTHON:-$root/.venv/bin/python}
[ -n "${SEPM_PYTHON:-}" ] || [ -x "$python" ] || python=python3
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "gpu_check: $python is no Python of 3.11 or newer; name one with SEPM_PYTHON" >&2
    exit 2
fi
export HF_HUB_OFFLINE=1
export PYTHONPATH=$root:${GPU_CHECK_PACKAGES:-$root/scripts/packages}${PYTHONPATH:+:$PYTHONPATH}
exec "$python" "$root/scripts/gpu_check/check.py" "$@"
