"""Result files of benchmarks number what they name; we have identities."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import numpy as np
from numpy.typing import NDArray


class TrackNumbers:
    """Numbers for identities, in the order in which they are first asked for."""

    def __init__(self) -> None:
        self._numbers: dict[UUID, int] = {}

    def of(self, ids: Iterable[UUID]) -> NDArray[np.int64]:
        """int64 [N], the same number for the same identity."""
        numbers = [self._numbers.setdefault(one, len(self._numbers)) for one in ids]
        return np.array(numbers, dtype=np.int64)
