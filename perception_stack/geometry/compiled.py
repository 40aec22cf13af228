"""Machine code for the loops that NumPy cannot do: Numba, imported when first needed.

What is compiled is kept on disk. Numba compares only the file of the function that is called with
what it kept, not those of the functions that this one calls, so old code would go on running
after a change of theirs. Here the folder of the cache is named after all sources of machine code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import cache, partial, wraps
from pathlib import Path
from typing import Any, TypeVar

from perception_stack.errors import ConfigError

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_PACKAGE = Path(__file__).resolve().parents[1]
_MARKS = (b"machine_code", b"compiled")
_KEPT = 3  # folders of other states of the sources, such as those of another checkout


def machine_code(function: FunctionT, *, nogil: bool = False) -> FunctionT:
    """The function in machine code, compiled at its first call and kept on disk.

    Args:
        function: In the part of Python that Numba knows; may call others made by this.
        nogil: Let other threads run meanwhile.

    Raises:
        ConfigError: Numba is not installed.
    """
    numba = _numba()
    # "numpy" leaves out checks for division by zero
    options: dict[str, Any] = {"nogil": nogil, "error_model": "numpy"}
    code: FunctionT
    try:
        code = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for the cache, e.g. a read-only install without a home
        code = numba.njit(**options)(function)
    return code


free = partial(machine_code, nogil=True)
"""Machine code during which other threads run."""


def compiled(function: FunctionT) -> FunctionT:
    """Decorator by which not even Numba is imported before the first call.

    A decorated function takes arguments by position and calls no other decorated one.

    Raises:
        ConfigError: at the first call, when Numba is not installed.
    """

    @cache
    def code() -> Callable[..., Any]:
        return machine_code(function, nogil=True)

    @wraps(function)
    def call(*args: Any) -> Any:
        return code()(*args)

    return call  # type: ignore[return-value]


def cache_name(package: Path) -> str:
    """A name that changes whenever a source file with machine code below a folder does."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        if any(mark in content for mark in _MARKS):
            digest.update(str(path.relative_to(package)).encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:16]


@cache
def _numba() -> Any:
    """Numba, with the folder of its cache set for the present sources."""
    try:
        import numba

        settings: Any = numba.config  # its attributes are made at run time
    except ImportError as error:
        raise ConfigError("Numba is missing; type: pip install numba") from error
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    parent = Path(settings.CACHE_DIR or home) / "perception_stack" / "machine_code"
    folder = parent / cache_name(_PACKAGE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.touch()
        _forget_oldest(parent)
    except OSError:
        return numba  # beside the sources, or nowhere
    settings.CACHE_DIR = str(folder)
    return numba


def _forget_oldest(parent: Path) -> None:
    found = sorted(parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[1 + _KEPT :]:
        shutil.rmtree(path, ignore_errors=True)
