"""Boxes with the points they are made of, while sensors are being brought together.

The frame is level: z is up, the sensor that gave the points stands at the origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, Boxes3D, FloatArray
from perception_stack.fusion.belief import label_likelihood
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.shape.rectangles import Rectangles, fit_rectangles
from perception_stack.shape.size_classes import CLASSES

Index = NDArray[np.intp]


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

    def fit(self, parts: Sequence[Index]) -> Rectangles:
        """One rectangle around each set of points, none of which is empty."""
        sizes = [len(part) for part in parts]
        of_point = np.repeat(np.arange(len(parts), dtype=np.int32), sizes)
        points = np.concatenate([*parts, np.empty(0, dtype=np.intp)])
        return fit_rectangles(self.xyz_m[points], of_point, len(parts))


def statements(labels: Sequence[str], score: FloatArray) -> FloatArray:
    """What 2-D detections say, as likelihoods of the classes whose sizes are known.

    Args:
        labels: D labels; one whose size is not known speaks for "unknown".
        score: float64 [D].

    Returns:
        float64 [D, 5] over :data:`~perception_stack.shape.size_classes.CLASSES`.
    """
    known = [one if one in CLASSES else UNKNOWN for one in labels]
    label_idx = np.array([CLASSES.index(one) for one in known], dtype=np.intp)
    return label_likelihood(label_idx, score, len(CLASSES))


def level_from(frame_id: str, up: FloatArray) -> RigidTransform:
    """The shortest turn that makes "up" the z axis; frame and origin keep their name and place.

    Raises:
        CalibrationError: ``up`` is not a unit vector.
    """
    x, y, z = up
    if z < 0:  # first a half turn about x
        half = level_from(frame_id, np.array([x, -y, -z]))
        return replace(half, rotation=half.rotation @ np.diag([1.0, -1.0, -1.0]))
    # Rodrigues' formula about up x z, without the angle
    cross = np.array([[0.0, 0, -x], [0, 0, -y], [x, y, 0]])
    rotation = np.eye(3) + cross + cross @ cross / (1 + z)
    return RigidTransform(
        target=frame_id, source=frame_id, rotation=rotation, translation_m=np.zeros(3)
    )
