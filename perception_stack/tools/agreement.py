"""Whether nodes over DDS and the offline chain give the same list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from perception_stack.datatypes import TrackedObjects

TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How two runs over the same recording compare.

    Attributes:
        num_frames: Stamps that both have.
        num_only_one: Stamps that only one of them has.
        num_objects: Objects of the common frames that both have, by identity.
        num_strangers: Objects of the common frames that only one has.
        largest_m: Largest difference of a centre or a side.
        largest_rotation: Largest difference of a quaternion's component.
    """

    num_frames: int
    num_only_one: int
    num_objects: int
    num_strangers: int
    largest_m: float
    largest_rotation: float

    @property
    def complete(self) -> bool:
        """Same frames, same identities, poses within :data:`TOLERANCE`."""
        return (
            self.num_frames > 0
            and self.num_only_one == 0
            and self.num_strangers == 0
            and max(self.largest_m, self.largest_rotation) <= TOLERANCE
        )

    def __str__(self) -> str:
        word = "agree" if self.complete else "DIFFER"
        return (
            f"online and offline {word}: {self.num_objects} objects in {self.num_frames} frames, "
            f"{self.num_strangers} only in one, {self.num_only_one} frames only in one; largest "
            f"difference {self.largest_m:.1e} m, quaternion {self.largest_rotation:.1e}"
        )


def compare(one: Sequence[TrackedObjects], other: Sequence[TrackedObjects]) -> Agreement:
    """Compare two runs frame by frame."""
    first, second = ({frame.stamp_ns: frame for frame in run} for run in (one, other))
    common = sorted(first.keys() & second.keys())
    num_objects = num_strangers = 0
    shifts, turns = [0.0], [0.0]
    for stamp_ns in common:
        a, b = first[stamp_ns], second[stamp_ns]
        shared: set[UUID] = set(a.ids) & set(b.ids)
        num_objects += len(shared)
        num_strangers += len(set(a.ids) ^ set(b.ids))
        rows_a = [a.ids.index(uuid) for uuid in shared]
        rows_b = [b.ids.index(uuid) for uuid in shared]
        for name, differences in (("center_m", shifts), ("size_lwh_m", shifts)):
            gap = getattr(a.boxes, name)[rows_a] - getattr(b.boxes, name)[rows_b]
            differences.append(float(np.abs(gap).max(initial=0.0)))
        q, p = a.boxes.quat_xyzw[rows_a], b.boxes.quat_xyzw[rows_b]
        # a quaternion and its negative are one rotation
        gap = np.minimum(np.abs(q - p).max(axis=1), np.abs(q + p).max(axis=1))
        turns.append(float(gap.max(initial=0.0)))
    return Agreement(
        num_frames=len(common),
        num_only_one=len(first.keys() ^ second.keys()),
        num_objects=num_objects,
        num_strangers=num_strangers,
        largest_m=max(shifts),
        largest_rotation=max(turns),
    )
