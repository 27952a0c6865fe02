# Sourced by the other scripts: makes .venv once, and `python` is the interpreter that is used.
#
#   steps=4; source scripts/environment.sh [EXTRA]     EXTRA: an extra of pyproject.toml, such as dev
#
# SEPM_PYTHON=/path/to/python is used instead, or is an error; nothing is installed then. The
# environment is the first of the script's steps.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

step() {  # the words: what is done next, and what it takes
    step_number=$((${step_number:-0} + 1))
    echo "== $step_number/$steps $* ==" >&2
}

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
    local venv=$repository/.venv wanted stamp python size quiet=()
    wanted=$(cat "$repository"/{pyproject.toml,constraints.txt} | cksum)
    stamp=$venv/.installed-${1:-runtime}
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        step "Python packages: .venv has them"
        return
    fi
    python=$(find_python) || return
    [ "${1:-}" = dev ] && size="420 MB" || size="320 MB"
    step "Python packages into .venv, once: 2 to 4 minutes beside a download of $size with torch's" \
        "CPU build, 1.5 GB on disk; 2.9 GB with the CUDA build, which PyPI has for Linux"
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || return
    [ -t 2 ] || quiet=(--quiet)  # on a terminal pip shows each download
    set -- "$1" "$venv/bin/python" -m pip install --disable-pip-version-check \
        --constraint "$repository/constraints.txt" "${quiet[@]}"
    # torch first and by itself: what depends on it then takes the build that is there.
    "${@:2}" torch >&2 && "${@:2}" --editable "$repository${1:+[$1]}" >&2 || return
    echo "$wanted" >"$stamp"
}

use_python() {  # $1: extra, or nothing. Of SEPM_PYTHON
    local lacking
    step "Python packages: those of SEPM_PYTHON=$SEPM_PYTHON"
    if ! sepm_python=$(type -P -- "$SEPM_PYTHON"); then
        lacking="there is no such program"
    elif lacking=$("$sepm_python" "$repository/scripts/usable_python.py" ${1:+"$1"} 2>&1); then
        [[ $sepm_python = /* ]] || sepm_python=$PWD/$sepm_python
        return
    fi
    echo "SEPM_PYTHON=$SEPM_PYTHON cannot be used: $lacking" >&2
    echo "Name another, or unset it: then .venv is made and used." >&2
    return 2
}

if [ -n "${SEPM_PYTHON:-}" ]; then
    use_python "${1:-}"
else
    make_environment "${1:-}" && sepm_python=$repository/.venv/bin/python
fi || return
python() {  # whatever else of that name is on the path
    "$sepm_python" "$@"
}
export PATH=$(dirname "$sepm_python"):$PATH PYTHONPATH=$repository
