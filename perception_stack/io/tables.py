"""Text files that are a table of numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import DataFileError


def read_numbers(path: Path) -> FloatArray:
    """Rows of numbers with commas, float64 [N, C].

    Raises:
        DataFileError: no such file, or not numbers alone.
    """
    try:
        rows: FloatArray = np.loadtxt(path, delimiter=",", ndmin=2)
    except OSError as error:
        raise DataFileError(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise DataFileError(path, f"not a table of numbers: {error}") from error
    return rows
