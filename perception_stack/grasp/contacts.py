"""Where the pads of a gripper touch a surface, and grasps set to that."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.grasp.kernels import close_on
from perception_stack.grasp.sampling import spacing_m2
from perception_stack.grasp.targets import Poses, Target
from perception_stack.journal import Reason
from perception_stack.shape.surfaces import SurfacePoints

GIVE_M = 0.002
"""Of pads and of the spacing of points: what is this near behind the outermost point touches."""
BAND_M = 0.005
"""Of a side, that tells how it runs below a pad."""
_REACH_M = 0.03  # beside the open fingers, that is looked at
_OPEN_SIGMAS = 2.0
_OPEN_M = 0.006  # on each side, beside the clearance
_LEAST_PATCH = 0.6  # points of the surface


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Grasps whose pads touch.

    Attributes:
        poses: G grasp frames, the object midway between the fingers.
        held_m: float64 [G, 3], middle between the two patches.
        width_m: float64 [G], between the fingers when they touch.
        opening_m: float64 [G], before closing.
        cosine: float64 [G], of mean normal and closing line; that of the worse side.
        area_m2: float64 [G], of the smaller patch.
        slant: float64 [G], tangent of the angle of the line between the patches and the closing
            line.
        deep_m: float64 [G], how far behind the tips the patches reach.
        aside_m: float64 [G], how far beside the middle of its pad the worse patch lies.
        hollow: float64 [G], curvature of a hollow side across its pad, 1/m; 0 where none is.
        aslant: float64 [G], tangent of the angle by which that side is turned across its pad.
        score: float64 [G], in [0, 1].
    """

    poses: Poses
    held_m: FloatArray
    width_m: FloatArray
    opening_m: FloatArray
    cosine: FloatArray
    area_m2: FloatArray
    slant: FloatArray
    deep_m: FloatArray
    aside_m: FloatArray
    hollow: FloatArray
    aslant: FloatArray
    score: FloatArray

    def __len__(self) -> int:
        return len(self.width_m)

    def rows(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> Candidates:
        """Those picked by a mask or an integer index, in that order."""
        picked: dict[str, Any] = {
            one.name: getattr(self, one.name)[index] for one in fields(self) if one.name != "poses"
        }
        return Candidates(poses=self.poses.rows(index), **picked)


def fitted(poses: Poses, surface: SurfacePoints, config: GraspPlannerConfig) -> Poses:
    """Those that touch, turned to the normals there and moved to the middle of what they hold.

    Args:
        poses: Grasp frames, roughly.
        surface: Of the target.
        config: The gripper.
    """
    found = _touch(poses, surface, config)
    good = _touches(found, surface)
    poses, found = poses.rows(good), found[good]
    aside_m = found[:, :, 5].mean(axis=1)[:, None] * poses.rotation[:, :, 2]
    poses = replace(poses, position_m=poses.position_m + aside_m)
    normal = found[:, 1, 6:8] - found[:, 0, 6:8]
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    closing = np.einsum("gij,gj->gi", poses.rotation[:, :, 1:], normal)
    approach = poses.rotation[:, :, 0]
    rotation = np.stack([approach, closing, np.cross(approach, closing)], axis=2)
    return replace(poses, rotation=np.ascontiguousarray(rotation))


def close(
    poses: Poses, target: Target, surface: SurfacePoints, config: GraspPlannerConfig
) -> Candidates | Reason:
    """Those that touch on both sides, moved so that both fingers do at the same time.

    Args:
        poses: Grasp frames.
        target: Whose place is uncertain.
        surface: Of the target.
        config: The gripper.

    Returns:
        The grasps that touch, all with their confidence as score; why, where none does.
    """
    found = _touch(poses, surface, config)
    good = _touches(found, surface)
    width_m = found[:, 1, 0] - found[:, 0, 0]
    narrow = width_m + 2 * config.clearance_m <= config.max_opening_m
    if not (good & narrow).any():
        return Reason.TOO_WIDE if good.any() else Reason.NO_ANTIPODAL
    good &= narrow
    poses, found, width_m = poses.rows(good), found[good], width_m[good]
    shift_m = found[:, :, 0].mean(axis=1)
    approach, closing = poses.rotation[:, :, 0], poses.rotation[:, :, 1]
    poses = replace(poses, position_m=poses.position_m + shift_m[:, None] * closing)
    held_m = poses.position_m + approach * found[:, :, 4].mean(axis=1)[:, None]
    sigma_m = deviations(target, held_m, poses.rotation)[:, 1]
    room_m = config.clearance_m + _OPEN_M + _OPEN_SIGMAS * sigma_m
    apart_m = np.linalg.norm(found[:, 1, 4:6] - found[:, 0, 4:6], axis=1)
    worse = np.argmin(found[:, :, 8], axis=1)  # the more hollow side
    rows = np.arange(len(found))
    return Candidates(
        poses=poses,
        held_m=held_m,
        width_m=width_m,
        opening_m=np.minimum(width_m + 2 * room_m, config.max_opening_m),
        cosine=found[:, :, 3].min(axis=1),
        area_m2=found[:, :, 1].min(axis=1),
        # flat patches find a line between them, however their middles lie
        slant=np.maximum(apart_m - config.finger_width_m / 2, 0) / np.maximum(width_m, 1e-3),
        deep_m=-found[:, :, 2].min(axis=1),
        aside_m=np.abs(found[:, :, 5]).max(axis=1),
        hollow=np.maximum(-found[rows, worse, 8], 0.0),
        aslant=np.abs(found[rows, worse, 7]),
        score=poses.confidence,
    )


def deviations(target: Target, at_m: FloatArray, rotation: FloatArray) -> FloatArray:
    """Deviation of places on the target along the axes of each grasp frame, float64 [G, 3]."""
    axes = np.moveaxis(rotation, 2, 1)  # [G, axis, 3]
    lever = np.cross((at_m - target.center_m)[:, None], axes)
    along = np.concatenate([axes, lever], axis=2)
    variance = np.einsum("gki,ij,gkj->gk", along, target.covariance, along)
    deviation: FloatArray = np.sqrt(np.maximum(variance, 0.0))
    return deviation


def _touch(poses: Poses, surface: SurfacePoints, config: GraspPlannerConfig) -> FloatArray:
    """What :func:`~perception_stack.grasp.kernels.close_on` says of each, float64 [G, 2, 9]."""
    found: FloatArray = close_on(
        poses.position_m,
        poses.rotation,
        surface.points_m,
        surface.normals,
        surface.area_m2,
        config.max_opening_m / 2 + _REACH_M,
        config.pad_length_m,
        config.finger_width_m / 2,
        GIVE_M,
        BAND_M,
    )
    return found


def _touches(found: FloatArray, surface: SurfacePoints) -> NDArray[np.bool_]:
    least = _LEAST_PATCH * spacing_m2(surface)
    enough = (found[:, :, 1] > least).all(axis=1)
    return np.asarray(enough & np.isfinite(found[:, 0, 0]))
