"""Machine code for the loops that NumPy cannot do: Numba, imported when first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

from perception_stack.errors import ConfigError

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def machine_code(function: FunctionT, *, nogil: bool = False) -> FunctionT:
    """The function in machine code, compiled at its first call and kept on disk.

    Args:
        function: In the part of Python that Numba knows; may call others made by this.
        nogil: Let other threads run meanwhile.

    Raises:
        ConfigError: Numba is not installed.
    """
    try:
        import numba
    except ImportError as error:
        raise ConfigError("Numba is missing; type: pip install numba") from error
    # "numpy" leaves out checks for division by zero
    options: dict[str, Any] = {"nogil": nogil, "error_model": "numpy"}
    code: FunctionT
    try:
        code = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for the cache, e.g. a read-only install without a home
        code = numba.njit(**options)(function)
    return code


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
