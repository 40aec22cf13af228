"""Machine code for the loops over points: Numba, imported and compiled at the first call only."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

from perception_stack.errors import ConfigError

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def compiled(function: FunctionT) -> FunctionT:
    """The same function in machine code, kept on disk where that can be written.

    A decorated function takes arguments by position and calls no other decorated one.

    Raises:
        ConfigError: at the first call, when Numba is not installed.
    """

    @cache
    def machine_code() -> Callable[..., Any]:
        try:
            import numba
        except ImportError as error:
            raise ConfigError("the LiDAR detector needs Numba: pip install numba") from error
        # "numpy" leaves out checks for division by zero
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        try:
            code: FunctionT = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no folder for the cache, e.g. a read-only install without a home
            code = numba.njit(**options)(function)
        return code

    @wraps(function)
    def call(*args: Any) -> Any:
        return machine_code()(*args)

    return call  # type: ignore[return-value]
