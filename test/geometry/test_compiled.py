from __future__ import annotations

import subprocess
import sys

import pytest

from perception_stack.errors import ConfigError
from perception_stack.geometry.compiled import compiled


def test_function_without_a_place_for_its_cache_runs_all_the_same() -> None:
    """As in a read-only install; Numba refuses to cache what is in no file."""
    namespace: dict = {}
    exec(compile("def double(x):\n    return 2 * x", "<nowhere>", "exec"), namespace)
    assert compiled(namespace["double"])(21) == 42


def test_missing_numba_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ConfigError, match="pip install numba"):
        compiled(lambda x: x)(1)


def test_importing_the_detector_does_not_import_numba() -> None:
    code = "import sys, perception_stack.lidar.detector; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
