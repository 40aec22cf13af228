# shellcheck shell=bash disable=SC2034
# Shared by the scripts of this folder: where things lie, one-line failures, steps that run once.
# Expects the caller to have set -euo pipefail.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"
ROS="$ROOT/.ros"          # all that is built: colcon/ install/ stamps/ log/ setup.sh
STAMPS="$ROS/stamps"
LOGS="$ROS/log"
mkdir -p "$STAMPS" "$LOGS"

say() { printf '%s\n' "$*"; }

SAID_WHY=3

fail() {
  printf 'perception_stack: %s\n' "$*" >&2
  exit "$SAID_WHY"
}

# A command that fails without a fail() of its own still ends in one line.
set -E
trap 'status=$?; ((status == SAID_WHY)) || echo "perception_stack: $0 line $LINENO failed: $BASH_COMMAND" >&2; exit $SAID_WHY' ERR

# True where a ROS 2 installation is sourced. Our own setup.sh does not set ROS_DISTRO.
has_ros() { [[ -n "${ROS_DISTRO:-}" ]]; }

# fingerprint WORD... : one hash of the words, which name what a step depends on.
fingerprint() { printf '%s\n' "$ROOT" "$@" | sha256sum | cut -d' ' -f1; }

# contents PATH... : one line for each file below, with the hash of its content.
contents() {
  find "$@" -name __pycache__ -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum
}

# names PATH... : one line for each file below; for files that are installed as links.
names() { find "$@" -name __pycache__ -prune -o -type f -print | LC_ALL=C sort; }

# is_done STEP HASH and mark_done STEP HASH: a step runs again when its hash changes.
is_done() { [[ -f "$STAMPS/$1" && "$(<"$STAMPS/$1")" == "$2" ]]; }
mark_done() { printf '%s\n' "$2" > "$STAMPS/$1"; }

# logged NAME COMMAND... : runs quietly; the output goes to .ros/log/NAME.log.
logged() {
  local name=$1
  shift
  "$@" > "$LOGS/$name.log" 2>&1 < /dev/null
}

# network_failed NAME : true when the log of that step looks like an unreachable server.
network_failed() {
  grep -qiE 'temporary failure|could not resolve|name or service not known|network is unreachable|connection (refused|timed out|failed|error)|max retries|failed to fetch|unable to connect|could not connect|newconnectionerror|proxyerror' \
    "$LOGS/$1.log"
}
