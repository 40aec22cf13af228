#!/usr/bin/env bash
# Builds the messages and installs the package below .ros/install, with underlay/ where no ROS is
# sourced; then writes .ros/setup.sh and the commands of .venv/bin.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

INSTALL="$ROS/install"
PYTHON="$VENV/bin/python"
SITE="$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

# Debian's Python would have dist-packages as install folder, another one site-packages.
run_colcon() { # run_colcon PACKAGE_FOLDER...
  logged build colcon --log-base "$ROS/colcon/log" build --base-paths "$@" \
    --build-base "$ROS/colcon/build" --install-base "$INSTALL" --merge-install --symlink-install \
    --event-handlers console_direct+ --cmake-args -Wno-dev -DBUILD_TESTING=OFF \
    -DPYTHON_INSTALL_DIR="${SITE#"$VENV"/}" -DPython3_EXECUTABLE="$PYTHON" \
    -DPython3_NumPy_INCLUDE_DIR="$INSTALL/include/numpy_of_venv"
}

build() {
  mkdir -p "$INSTALL/include"
  # CMake refuses exported include folders inside the source tree, where .venv lies, unless they are
  # below the install prefix.
  ln -sfn "$("$PYTHON" -c 'import numpy; print(numpy.get_include())')" "$INSTALL/include/numpy_of_venv"
  if has_ros; then
    run_colcon "$ROOT"
    return
  fi
  # ament_package is only in Debian's Python; the whole dist-packages would hide packages of .venv.
  mkdir -p "$ROS/colcon/python"
  ln -sfn "$(/usr/bin/python3 -c 'import ament_package; print(ament_package.__path__[0])')" \
    "$ROS/colcon/python/ament_package"
  local packages
  mapfile -t packages < <(dirname "$ROOT"/underlay/*/package.xml)
  (
    export AMENT_PREFIX_PATH="$VENV" CMAKE_PREFIX_PATH="$VENV" PYTHONPATH="$ROS/colcon/python"
    export PATH="$VENV/bin:/usr/bin:/bin" LD_LIBRARY_PATH="$VENV/lib" ROS_VERSION=2
    run_colcon "$ROOT" "${packages[@]}"
  )
}

write_setup() {
  {
    echo "# Written by scripts/build.sh. Source it for python, ros2 and perception-stack."
    echo "if [ \"\${PERCEPTION_STACK_ENV:-}\" != '$ROOT' ]; then"
    if has_ros; then
      echo "  . '$INSTALL/setup.sh'"
      echo "  export PYTHONPATH='$ROOT'\"\${PYTHONPATH:+:\$PYTHONPATH}\""
    else
      local libraries=("$INSTALL/lib" "$VENV/lib" "$SITE"/ros_*.libs)
      echo "  export AMENT_PREFIX_PATH='$INSTALL:$VENV'\"\${AMENT_PREFIX_PATH:+:\$AMENT_PREFIX_PATH}\""
      echo "  export LD_LIBRARY_PATH='$(IFS=: && echo "${libraries[*]}")'\"\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}\""
      # The source tree first, so that an edited or new Python file counts without a build.
      echo "  export PYTHONPATH='$ROOT:$INSTALL/${SITE#"$VENV"/}'\"\${PYTHONPATH:+:\$PYTHONPATH}\""
      # The wheels would start Python a second time to set LD_LIBRARY_PATH.
      echo "  export ROS_VERSION=2 ROS_PYTHON_VERSION=3 _ROS_WHEELS_BOOTSTRAP_COMPLETE=1"
    fi
    cat << SETUP
  export PATH='$VENV/bin:$INSTALL/bin'":\$PATH"
  export RMW_IMPLEMENTATION="\${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}"
  # Fast DDS 2 and 3 read different names.
  export FASTRTPS_DEFAULT_PROFILES_FILE="\${FASTRTPS_DEFAULT_PROFILES_FILE:-$ROOT/config/fastdds.xml}"
  export FASTDDS_DEFAULT_PROFILES_FILE="\${FASTDDS_DEFAULT_PROFILES_FILE:-$ROOT/config/fastdds.xml}"
  export PERCEPTION_STACK_ENV='$ROOT'
fi
SETUP
  } > "$ROS/setup.sh"
}

check_imports() {
  (
    set +u
    # shellcheck source=/dev/null
    source "$ROS/setup.sh"
    cd / && logged imports "$PYTHON" -c 'import rclpy, perception_stack.msg'
  )
}

# Two tests, or two nodes, that start at the same time would both do it.
compile_kernels() { PYTHONPATH="$ROOT" logged kernels "$PYTHON" "$ROOT/scripts/compile_kernels.py"; }

write_command() { # write_command NAME COMMAND... : an executable that needs nothing sourced
  local name=$1
  shift
  printf '#!/bin/sh\n. "%s"\nexec %s "$@"\n' "$ROS/setup.sh" "$*" > "$VENV/bin/$name"
  chmod +x "$VENV/bin/$name"
}

write_commands() {
  write_command perception-stack "'$PYTHON' -m perception_stack.tools.main"
  has_ros || write_command ros2 "'$PYTHON' '$INSTALL/bin/ros2'"
}

exec 9> "$ROS/lock" && flock 9
# Python, launch and configuration files are installed as links: only their names matter here.
hash="$(cd "$ROOT" && fingerprint "$(<"$STAMPS/env")" "$(contents package.xml CMakeLists.txt cmake msg srv underlay scripts/build.sh)" \
  "$(names perception_stack launch config rviz)")"
if ! is_done build "$hash" || [[ ! -f "$ROS/setup.sh" || ! -x "$VENV/bin/perception-stack" ]]; then
  say "building the messages and installing the package below .ros/install"
  # beside the C++, which leaves a core idle most of the time; without the lock of this script
  compile_kernels 9>&- &
  kernels=$!
  build || fail "colcon build failed: $(grep -m1 -iE '(^| )(fatal )?error[: ]' "$LOGS/build.log" || tail -n 1 "$LOGS/build.log") (log: .ros/log/build.log)"
  find "$INSTALL" -xtype l -delete # links to files that are gone
  write_setup
  write_commands
  check_imports || fail "what was built cannot be imported: $(tail -n 1 "$LOGS/imports.log") (log: .ros/log/imports.log)"
  wait "$kernels" || fail "the machine code cannot be compiled: $(tail -n 1 "$LOGS/kernels.log") (log: .ros/log/kernels.log)"
  mark_done build "$hash"
fi
