"""Boxes with the points they are made of, while sensors are being brought together.

The frame is level: z is up, the sensor that gave the points stands at the origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.shape.boxes import boxes_from_rectangles
from perception_stack.shape.rectangles import fit_rectangles
from perception_stack.shape.upright import Objects, upright_boxes

Index = NDArray[np.intp]

_DEPTH_NOISE = 0.002  # at 1 m, of cheap depth cameras; grows with the square of the distance


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """N bodies and P obstacle points.

    Attributes:
        boxes: Of the bodies.
        xyz_m: float32 [P, 3].
        row_of_point: int32 [P], body of each point, -1 for none.
        likelihood: float64 [N, 5] over :data:`~perception_stack.shape.size_classes.CLASSES`, what
            cameras have said so far; ones where no camera has spoken.
        watched: bool [N], in view of a camera.
        ranging: The sensors of bodies that are found among the points.
    """

    boxes: Boxes3D
    xyz_m: NDArray[np.float32]
    row_of_point: NDArray[np.int32]
    likelihood: FloatArray
    watched: NDArray[np.bool_]
    ranging: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def ground_m(self) -> FloatArray:
        """Height of the underside of each box, float64 [N]."""
        ground_m: FloatArray = self.boxes.center_m[:, 2] - self.boxes.size_lwh_m[:, 2] / 2
        return ground_m

    @property
    def sized(self) -> bool:
        """Whether the size of a body tells its class, and the class its hidden sides."""
        return "depth" not in self.ranging

    def boxes_around(
        self, parts: Sequence[Index], ground_m: FloatArray, likelihood: FloatArray | None = None
    ) -> Boxes3D:
        """One box around each set of points, as the sensor that measured them would make it.

        Args:
            parts: Rows among all obstacle points, none of M sets empty.
            ground_m: float64 [M], height of the ground below each.
            likelihood: float64 [M, 5], what cameras have said of each; nothing if None.
        """
        start = np.append(0, np.cumsum([len(part) for part in parts], dtype=np.int64))
        points_m = self.xyz_m[np.concatenate([*parts, np.empty(0, dtype=np.intp)])]
        frame_id, stamp_ns = self.boxes.frame_id, self.boxes.stamp_ns
        if not self.sized:
            objects = Objects(
                points_m=points_m.astype(np.float64),
                start=start,
                ground_m=ground_m,
                occluded=np.zeros(len(parts)),
            )
            return upright_boxes(objects, noise=_DEPTH_NOISE, frame_id=frame_id, stamp_ns=stamp_ns)
        of_point = np.repeat(np.arange(len(parts), dtype=np.int32), np.diff(start))
        return boxes_from_rectangles(
            fit_rectangles(points_m, of_point, len(parts)),
            ground_m,
            frame_id=frame_id,
            stamp_ns=stamp_ns,
            class_likelihood=likelihood,
        )
