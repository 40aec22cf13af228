"""Machine code is that of the sources as they are now."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import perception_stack
from perception_stack.geometry.compiled import cache_name

pytest.importorskip("numba")

_USE = """
import numba
from perception_stack.tracking.common.existence import remembered_s
import numpy as np
print(numba.config.CACHE_DIR)
"""


def test_the_name_of_the_cache_follows_the_sources_of_machine_code(tmp_path: Path) -> None:
    kernel, other = tmp_path / "kernel.py", tmp_path / "other.py"
    kernel.write_text("@machine_code\ndef f(): return 1\n")
    other.write_text("x = 1\n")
    first = cache_name(tmp_path)
    other.write_text("x = 2\n")
    assert cache_name(tmp_path) == first
    kernel.write_text("@machine_code\ndef f(): return 2\n")
    second = cache_name(tmp_path)
    assert second != first
    kernel.rename(tmp_path / "renamed.py")
    assert cache_name(tmp_path) != second


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "NUMBA_CACHE_DIR"])
def test_code_is_kept_apart_for_each_state_of_the_sources(tmp_path: Path, variable: str) -> None:
    parent = tmp_path / "perception_stack" / "machine_code"
    for age_s in range(1, 7):
        old = parent / f"old{age_s}"
        old.mkdir(parents=True)
        os.utime(old, (1e9 - age_s, 1e9 - age_s))
    # the folder of Numba's own is the stronger one
    others = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", _USE],
        capture_output=True,
        text=True,
        check=True,
        env={**others, variable: str(tmp_path)},
        timeout=120,
    )
    package = Path(next(iter(perception_stack.__path__)))
    folder = Path(done.stdout.strip())
    assert folder == parent / cache_name(package)
    assert {path.name for path in parent.iterdir()} == {folder.name, "old1", "old2", "old3"}
