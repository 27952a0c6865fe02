#!/usr/bin/env bash
# Linter, type checker, walls between the rooms, all tests; offline once the environment is made.
set -euo pipefail
cd "$(dirname "$0")/.."
steps=3
source scripts/environment.sh dev

export HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1  # one thread for each of the test processes
step "Linter, type checker, walls between the rooms: 1 to 2 minutes"
ruff check .
ruff format --check .
pyright --pythonpath "$sepm_python"
lint-imports --no-logo --no-cache
step "Tests: all of them or those named, in two processes"
python -m pytest --numprocesses 2 --dist worksteal --quiet "$@"  # a module's fixtures are made once
