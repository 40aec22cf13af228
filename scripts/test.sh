#!/usr/bin/env bash
# All checks, tests last and several at a time (-n0: one). Arguments go to pytest. A failed check does
# not stop the ones after it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$ROOT"
# shellcheck source=/dev/null
set +u && source "$ROS/setup.sh" && set -u

failed=()
check() { # check NAME COMMAND...
  local name=$1
  shift
  say "── $name"
  "$@" || failed+=("$name")
}

check "ruff check" ruff check .
check "ruff format" ruff format --check .
check "imports" lint-imports --no-logo
check "types" mypy
((${#failed[@]} == 0)) || say "── failed before the tests: ${failed[*]}"
check "tests" python -m pytest -n auto --maxprocesses 4 --dist worksteal "$@"
((${#failed[@]} == 0)) || exit 1
