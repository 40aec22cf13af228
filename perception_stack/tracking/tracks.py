"""Everything the tracker knows of its objects, one row each, in order of birth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray

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

Row = Any
"""One row of a table, or a record of parameters: compiled loops have its columns as attributes."""

_BYTES = np.dtype((np.void, TRACK.itemsize))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks:
    """Tracks in the fixed frame; trusted inside, hence not checked.

    One table holds what the compiled loops work on, so that picking, copying and joining tracks
    is one operation.

    Attributes:
        table: [N] of :data:`TRACK`.
        class_probs: float64 [N, C], over the tracker's vocabulary.
        sensors: object [N] of tuples; what saw it in this frame, empty for none.
        ids: object [N] of UUID.
    """

    table: TrackTable
    class_probs: FloatArray
    sensors: NDArray[Any]
    ids: NDArray[Any]

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column of the table, not a copy."""
        return self.table[name]

    @property
    def scale_m(self) -> FloatArray:
        """Diagonals of the boxes, float64 [N]: the unit that lengths are counted in."""
        return diagonal_m(self.table["size_lwh_m"])

    def rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Tracks:
        """The tracks picked by an integer index or a mask."""
        return Tracks(
            table=self.table.view(_BYTES)[index].view(TRACK),
            class_probs=self.class_probs[index],
            sensors=self.sensors[index],
            ids=self.ids[index],
        )

    def only(self, mask: NDArray[np.bool_]) -> Tracks:
        """The tracks under a mask; these very ones where that is all."""
        return self if mask.all() else self.rows(mask)

    def copied_table(self) -> TrackTable:
        """A copy of the table, all of a row at once; NumPy would go column by column."""
        return self.table.view(_BYTES).copy().view(TRACK)

    def with_values(self, **columns: Any) -> Tracks:
        """The same tracks with other values in columns of the table."""
        table = self.copied_table()
        for name, values in columns.items():
            table[name] = values
        return self.with_table(table)

    def with_table(self, table: TrackTable) -> Tracks:
        """The same tracks with another table."""
        return Tracks(
            table=table, class_probs=self.class_probs, sensors=self.sensors, ids=self.ids
        )

    def followed_by(self, other: Tracks) -> Tracks:
        """These tracks and then the others."""
        tables = [self.table.view(_BYTES), other.table.view(_BYTES)]
        return Tracks(
            table=np.concatenate(tables).view(TRACK),
            class_probs=np.concatenate([self.class_probs, other.class_probs]),
            sensors=np.concatenate([self.sensors, other.sensors]),
            ids=np.concatenate([self.ids, other.ids]),
        )


def no_tracks(num_classes: int) -> Tracks:
    """An empty list for a vocabulary of ``num_classes``."""
    return Tracks(
        table=np.empty(0, dtype=TRACK),
        class_probs=np.empty((0, num_classes)),
        sensors=np.empty(0, dtype=object),
        ids=np.empty(0, dtype=object),
    )


def diagonal_m(size_lwh_m: FloatArray) -> FloatArray:
    """Lengths of the diagonals of boxes, float64 [N]."""
    length: FloatArray = np.sqrt(np.sum(size_lwh_m**2, axis=1))
    return length


def object_array(values: list[Any] | tuple[Any, ...]) -> NDArray[Any]:
    """One-dimensional array of Python objects, also where these are tuples."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
