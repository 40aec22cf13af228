#!/usr/bin/env bash
# Resolves requirements/*.in in a fresh environment and writes requirements/python.lock.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$ROOT/requirements"
"${PYTHON:-python3}" -m venv "$work"
"$work/bin/pip" install --quiet -r ros.in -r core.in
"$work/bin/pip" install --quiet --no-deps -r no-deps.in
"$work/bin/python" - > "$work/python.lock" << 'PYTHON'
from importlib import metadata

# lark-parser is the old name of lark and would overwrite its files.
LEFT_OUT = {"pip", "lark-parser"}

print("# Written by `make lock` from the .in files beside it. Installed with --no-deps.")
names = {
    f"{dist.metadata['Name'].lower().replace('_', '-')}=={dist.version}"
    for dist in metadata.distributions()
    # the ROS wheels also carry records (.egg-info) of the packages inside them
    if str(dist._path).endswith(".dist-info")
}
print("\n".join(sorted(name for name in names if name.split("==")[0] not in LEFT_OUT)))
PYTHON
mv "$work/python.lock" python.lock
say "wrote requirements/python.lock"
