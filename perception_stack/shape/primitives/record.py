"""What is known of a fitted primitive, and what is given to fit one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, ShapeKind
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.shape.surfaces import SurfacePoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Primitive:
    """One shape in the frame of the points.

    Attributes:
        kind: Which.
        rotation: float64 [3, 3], the shape's own axes in its columns; of a cylinder z is the axis.
        center_m: float64 [3].
        size_m: float64 [3], extents along the own axes; of a ball the diameter, three times.
        covariance: float64 [6, 6] of (x, y, z, rotation about the fixed axes).
        size_covariance: float64 [3, 3].
        score: In [0, 1], share of the points that lie on it.
        surface: The whole surface, hidden sides too.
        believed: bool [P], points of the surface that are seen, or hidden by what is seen; through
            the others the sensor looks, or something else hides them.
    """

    kind: ShapeKind
    rotation: FloatArray
    center_m: FloatArray
    size_m: FloatArray
    covariance: FloatArray
    size_covariance: FloatArray
    score: float
    surface: SurfacePoints
    believed: NDArray[np.bool_]

    def moved(self, target_from_shape: RigidTransform) -> Primitive:
        """The same shape in another frame."""
        turn = np.kron(np.eye(2), target_from_shape.rotation)
        return replace(
            self,
            rotation=target_from_shape.rotation @ self.rotation,
            center_m=target_from_shape.apply(self.center_m),
            covariance=turn @ self.covariance @ turn.T,
            surface=self.surface.moved(target_from_shape),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What is seen of one object; z is up and the sensor at the origin.

    Attributes:
        points_m: float64 [N, 3], means of the points of small cells.
        normals: float64 [N, 3], unit, towards the sensor.
        sigma_m: float64 [N], deviation of each from the surface it lies on.
        raw_m: float64 [M, 3], some of the points as they were measured, for the extents.
        spacing_m: Side of the cells.
        ground_m: Height of the support; NaN if unknown.
        places: Finds the nearest of the points.
        sights: Finds the nearest of the directions in which they lie.
    """

    points_m: FloatArray
    normals: FloatArray
    sigma_m: FloatArray
    raw_m: FloatArray
    spacing_m: float
    ground_m: float
    places: Any
    sights: Any

    def __len__(self) -> int:
        return len(self.points_m)

    def on_ground(self, low_m: float, high_m: float) -> bool:
        """Whether a thing from one height to another reaches down to the support."""
        return low_m - self.ground_m < STANDS_BELOW * (high_m - self.ground_m)  # False for NaN

    def ends(self, axes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Least and greatest coordinate along the columns of ``axes``, outliers left out."""
        low, high = np.percentile(self.raw_m @ axes, [TRIM, 100 - TRIM], axis=0)
        return low, high


STANDS_BELOW = 0.3
"""Lower than this share of its top, an object reaches down to its support."""
TRIM = 0.5
"""Percent of the points left out at each end of an extent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A primitive before it is judged.

    Attributes:
        kind: Which.
        rotation: As in :class:`Primitive`.
        low_m: float64 [3], lower ends along the own axes, from the sensor.
        high_m: float64 [3].
        low_variance_m2: float64 [3], of the lower ends.
        high_variance_m2: float64 [3].
        angle_variance: float64 [3], about the own axes.
        num_params: Free parameters.
        distance_m: float64 [N], of each point from the surface, signed, outside positive.
        surface: Sampled as densely as the points.
    """

    kind: ShapeKind
    rotation: FloatArray
    low_m: FloatArray
    high_m: FloatArray
    low_variance_m2: FloatArray
    high_variance_m2: FloatArray
    angle_variance: FloatArray
    num_params: int
    distance_m: FloatArray
    surface: SurfacePoints
