"""Everything the tracker knows of its objects, one row each, in order of birth."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code

NUM_STATES = 15
"""Of a track: place, rotation, velocity, turn rate, acceleration, three each."""

NUM_LEVELS = 3
"""Of precision that a detection may have: more than stated, as stated, far less."""

TRACK = np.dtype(
    [
        ("center_m", np.float64, (3,)),
        ("quat_xyzw", np.float64, (4,)),
        ("twist", np.float64, (6,)),
        ("acceleration_mps2", np.float64, (3,)),
        ("covariance", np.float64, (NUM_STATES, NUM_STATES)),
        ("size_lwh_m", np.float64, (3,)),
        ("size_variance_m2", np.float64, (3,)),
        ("heading", np.float64, (4,)),
        ("level_probs", np.float64, (NUM_LEVELS,)),
        ("log_odds", np.float64),
        ("num_detections", np.int64),
        ("last_seen_ns", np.int64),
        ("confirmed", np.bool_),
    ],
    align=True,
)
"""One track, in the fixed frame.

- ``quat_xyzw``: unit; the box's z axis points up more than its x and y axes.
- ``twist``: vx, vy, vz in m/s, wx, wy, wz in rad/s, along the fixed axes.
- ``covariance``: of (x, y, z, rotation about the fixed axes, twist, acceleration).
- ``heading``: log probability that the front is k quarter turns from x.
- ``level_probs``: of the levels of precision of its detections.
- ``log_odds``: of being there.
- ``confirmed``: was once more probable than the threshold.
"""

TrackTable = NDArray[np.void]
"""Rows of :data:`TRACK`."""


RowsT = TypeVar("RowsT", bound="Rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A table of detections or tracks and what else belongs to its rows; trusted, not checked.

    One table holds what the compiled loops work on, so that picking rows is one operation.

    Attributes:
        table: [N].
        class_probs: float64 [N, V], over the tracker's vocabulary.
        sensors: Of each of N, what saw it in this frame; empty for nothing.
    """

    table: NDArray[np.void]
    class_probs: FloatArray
    sensors: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column of the table, not a copy."""
        return self.table[name]

    def rows(self: RowsT, index: NDArray[np.intp]) -> RowsT:
        """The rows picked by an index."""
        columns = {one.name: _picked(getattr(self, one.name), index) for one in fields(self)}
        return type(self)(**columns)

    def kept(self: RowsT, index: NDArray[np.intp]) -> RowsT:
        """As :meth:`rows`, these very ones where the index, which rises, is of all."""
        return self if len(index) == len(self) else self.rows(index)


def _picked(column: Any, index: NDArray[np.intp]) -> Any:
    if isinstance(column, tuple):
        return tuple([column[n] for n in index.tolist()])
    # NumPy's brackets would go through the table column by column
    return column.take(index, axis=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks(Rows):
    """Rows of :data:`TRACK` in the fixed frame.

    Attributes:
        ids: N identities.
    """

    ids: tuple[UUID, ...]

    def learned(
        self,
        table: TrackTable,
        class_probs: FloatArray,
        sensors: tuple[tuple[str, ...], ...],
        kept: NDArray[np.intp],
    ) -> Tracks:
        """The same tracks with what a frame told of them, those of an index alone."""
        after = Tracks(table=table, class_probs=class_probs, sensors=sensors, ids=self.ids)
        return after.kept(kept)

    def with_values(self, **columns: Any) -> Tracks:
        """The same tracks with other values in columns of the table."""
        table = self.table.copy()
        for name, values in columns.items():
            table[name] = values
        return replace(self, table=table)


def no_tracks(num_classes: int) -> Tracks:
    """An empty list for a vocabulary of ``num_classes``."""
    return Tracks(
        table=np.empty(0, dtype=TRACK),
        class_probs=np.empty((0, num_classes)),
        sensors=(),
        ids=(),
    )


@machine_code
def copied(table: TrackTable) -> TrackTable:
    """A copy, all of a row at once; NumPy would go column by column."""
    after = np.empty_like(table)
    for n in range(len(table)):
        after[n] = table[n]
    return after
