"""What the planner is given of each object, and what it gives back; all in one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, GraspSource, check_array, check_rows
from perception_stack.shape.surfaces import SurfacePoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Poses:
    """Grasp frames.

    Attributes:
        position_m: float64 [G, 3], between the finger tips.
        rotation: float64 [G, 3, 3], the frame's axes in the columns.
        confidence: float64 [G], in [0, 1].
    """

    position_m: FloatArray
    rotation: FloatArray
    confidence: FloatArray

    def __post_init__(self) -> None:
        num = len(self.position_m)
        check_array("position_m", self.position_m, np.float64, None, 3)
        check_array("rotation", self.rotation, np.float64, num, 3, 3)
        check_array("confidence", self.confidence, np.float64, num)

    def __len__(self) -> int:
        return len(self.position_m)

    def rows(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> Poses:
        """Those picked by a mask or an integer index, in that order."""
        return Poses(
            position_m=self.position_m[index],
            rotation=self.rotation[index],
            confidence=self.confidence[index],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownObject:
    """An object whose model is known, in the model's frame.

    Attributes:
        surface: Of the model.
        volume_m3: Of it.
        middle_m: float64 [3], its centre of mass.
        extents_m: float64 [2, 3], least and greatest coordinates.
        library: Grasp frames of its grasp file, where there is one.
    """

    surface: SurfacePoints
    volume_m3: float
    middle_m: FloatArray
    extents_m: FloatArray
    library: Poses | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One object of the scene.

    Attributes:
        surfaces: What its surface may be, the most probable first; a known object has one. Points
            of area 0 are there for all that is known, but no finger is to touch them.
        trust: How far to believe each surface where nothing was measured, in [0, 1].
        seen: What was measured of it; None where the surface is known.
        volume_m3: Of it.
        middle_m: float64 [3], its centre of mass.
        middle_sigma_m: Deviation of that.
        source: Whether that is a model or made of what is seen.
        covariance: float64 [6, 6] of the surface's place: (x, y, z, rotation about the fixed axes
            through ``center_m``).
        center_m: float64 [3].
        library: Grasps of its grasp file, where there is one.
    """

    surfaces: tuple[SurfacePoints, ...]
    trust: tuple[float, ...]
    seen: SurfacePoints | None
    volume_m3: float
    middle_m: FloatArray
    middle_sigma_m: float
    source: GraspSource
    covariance: FloatArray
    center_m: FloatArray
    library: Poses | None = None

    def __post_init__(self) -> None:
        check_rows("trust", self.trust, len(self.surfaces))


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What the objects stand on.

    Attributes:
        up: float64 [3], unit, against gravity; the support's normal, where there is a support.
        height_m: Of the support along ``up``, from the origin; NaN where none is known.
    """

    up: FloatArray
    height_m: float

    def above_m(self, points_m: FloatArray) -> FloatArray:
        """Heights above the support, float64 [N]; NaN where there is none."""
        height: FloatArray = points_m @ self.up - self.height_m
        return height
