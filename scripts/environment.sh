# Sourced by the other scripts: makes .venv once and puts it in front of PATH.
#
#   source scripts/environment.sh [EXTRA]     EXTRA: an extra of pyproject.toml, such as dev
#
# SEPM_PYTHON=/path/to/python uses an environment of your own instead and installs nothing.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

find_python() {  # a Python of 3.11 or newer that can make environments
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "no Python 3.11 or newer with venv found; install one, or set SEPM_PYTHON" >&2
    return 2
}

make_environment() {  # $1: extra, or nothing
    local venv=$repository/.venv wanted stamp python
    wanted=$(cat "$repository"/{pyproject.toml,constraints.txt} | cksum)
    stamp=$venv/.installed-${1:-runtime}
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
    python=$(find_python) || return
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || return
    echo "installing into .venv (once)" >&2
    set -- "$1" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --constraint "$repository/constraints.txt"
    # torch first and by itself: what depends on it then takes the build that is there.
    "${@:2}" torch && "${@:2}" --editable "$repository${1:+[$1]}" || return
    echo "$wanted" >"$stamp"
}

if [ -n "${SEPM_PYTHON:-}" ]; then
    PATH=$(dirname "$SEPM_PYTHON"):$PATH
else
    make_environment "${1:-}"
    PATH=$repository/.venv/bin:$PATH
fi
export PATH PYTHONPATH=$repository
