#!/usr/bin/env bash
# All checks, tests several at a time (-n0: one) and types beside them. Arguments go to pytest. A
# failed check does not stop the others.
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

types_are_right() {
  local status=0
  wait "$types" || status=$?
  cat "$LOGS/types.log"
  return "$status"
}

check "ruff check" ruff check .
check "ruff format" ruff format --check .
check "imports" lint-imports --no-logo
# takes a minute of one core; nice, so that it has what the tests leave while they wait for nodes
nice mypy > "$LOGS/types.log" 2>&1 < /dev/null &
types=$!
((${#failed[@]} == 0)) || say "── failed before the tests: ${failed[*]}"
check "tests" python -m pytest -n auto --maxprocesses 4 --dist worksteal "$@"
check "types" types_are_right
((${#failed[@]} == 0)) || exit 1
