"""Who has which obstacle point after the readings of one camera are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.fusion.bodies import Bodies
from perception_stack.fusion.readings import NO_BODY, Reading
from perception_stack.fusion.sight import Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Who has which point after one camera.

    Attributes:
        row_of_point: int32 [P], body of each point; rows from N on are new.
        detection: Which speaks of a body, by row, where one does.
        new_ground_m: Height of the ground below each new body.
    """

    row_of_point: NDArray[np.int32]
    detection: dict[int, int]
    new_ground_m: tuple[float, ...]

    def likelihood(self, before: FloatArray, said: FloatArray) -> FloatArray:
        """What cameras have said of all M bodies, after what they said ``before`` of N.

        Args:
            before: float64 [N, C].
            said: float64 [D, C], likelihood of each detection.
        """
        fresh = np.ones((len(self.new_ground_m), before.shape[1]))
        likelihood = np.concatenate([before, fresh])
        likelihood[list(self.detection)] *= said[list(self.detection.values())]
        return likelihood


def claim(
    chosen: Sequence[Reading], bodies: Bodies, pairs: dict[int, int], *, min_points: int
) -> Claims:
    """Hand the points to the readings.

    What a detection without a cluster found was cut out of no other detection's 2-D box, or was
    taken from it for good reason, so it goes before what a cluster as a whole would claim.

    Args:
        chosen: At most one reading for each detection, those assigned first.
        bodies: N of them, before.
        pairs: Body by detection, for those assigned.
        min_points: What is left of a cluster makes a body if it has that many points.
    """
    row_of_point = bodies.row_of_point.copy()
    detection = {row: column for column, row in pairs.items()}
    new_ground_m: list[float] = []
    cut: list[tuple[Reading, Index]] = []
    for one in chosen:
        if one.row == NO_BODY:
            # a reading that lost points to a better one keeps the others
            points = one.points[row_of_point[one.points] < len(bodies)]
            if len(points) >= min_points:
                new = len(bodies) + len(new_ground_m)
                row_of_point[points] = new
                detection[new] = one.detection
                new_ground_m.append(one.ground_m)
        elif one.changed:
            before = row_of_point == one.row
            row_of_point[before] = NO_BODY
            row_of_point[one.points] = one.row
            cut.append((one, np.flatnonzero(before)))
    for one, points in cut:
        rest = points[row_of_point[points] == NO_BODY]
        if len(rest) >= min_points:
            row_of_point[rest] = len(bodies) + len(new_ground_m)
            new_ground_m.append(one.ground_m)
    return Claims(row_of_point=row_of_point, detection=detection, new_ground_m=tuple(new_ground_m))
