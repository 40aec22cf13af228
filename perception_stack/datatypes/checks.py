"""Shapes and types of arrays, checked where data are born."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.errors import ShapeError

FloatArray = NDArray[np.float64]


def check_shape(name: str, array: NDArray[Any], *shape: int | None) -> None:
    """Compare an array's shape with the promised one; None stands for any length.

    Raises:
        ShapeError: they differ.
    """
    if not _fits(array.shape, shape):
        raise ShapeError(name, expected=_shape_text(shape), received=str(list(array.shape)))


def check_array(
    name: str, array: NDArray[Any], dtype: type[np.generic], *shape: int | None
) -> None:
    """Compare an array's type and shape with the promised ones; None stands for any length.

    The type matters: a middleware that does not check its fields writes the bits of an integer
    where a float is read.

    Raises:
        ShapeError: they differ.
    """
    if array.dtype != dtype or not _fits(array.shape, shape):
        raise ShapeError(
            name,
            expected=f"{np.dtype(dtype)} {_shape_text(shape)}",
            received=f"{array.dtype} {list(array.shape)}",
        )


def check_rows(name: str, rows: Sized, num: int) -> None:
    """Compare the number of things in a sequence with the promised one.

    Raises:
        ShapeError: they differ.
    """
    if len(rows) != num:
        raise ShapeError(name, expected=f"[{num}]", received=f"[{len(rows)}]")


def _fits(found: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return found == shape or (
        len(found) == len(shape)
        and all(want is None or want == got for want, got in zip(shape, found, strict=True))
    )


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('N' if want is None else str(want) for want in shape)}]"
