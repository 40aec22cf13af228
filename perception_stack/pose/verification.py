"""How well poses explain the depth map, counting also where there is nothing.

A fit of points alone cannot tell a can from its mirror image upside down. The model's visible
surface must be where the camera measured it; where the camera looked past it into free space
the pose is contradicted; where something stands before it nothing is known; and beyond its outline
another surface must begin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.objects.surface import Surface
from perception_stack.pose.models import PoseModel
from perception_stack.pose.parallel import by_parts
from perception_stack.pose.region import noise_at
from perception_stack.pose.scene import STRIDE, Scene

_HIDDEN_WEIGHT, _UNMEASURED_WEIGHT = 0.3, 0.1
_CONTINUED_WEIGHT, _UNLIKE_WEIGHT = 0.5, 0.5
_FEW = 5.0  # steps across the outline that count as one more good one each
_LITTLE = 0.03
_RMS_BY_CHANCE = 3**-0.5  # of gaps that are anything within the tolerance
_MOST_FILLING = 300
_MOST_LOG_PIXELS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far a depth may be off the model.

    Attributes:
        least_m: Where there is no noise.
        noise_m: At 1 m; it grows with the square of the depth, and adds in squares.
    """

    least_m: float
    noise_m: float

    def at(self, depth_m: float) -> float:
        """The tolerance at a depth."""
        return float(np.hypot(self.least_m, noise_at(np.array(depth_m), self.noise_m)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What the frame says to each of H poses, float64 [H] in [0, 1] unless said.

    Attributes:
        agreement: Share of what should be visible that is confirmed; what is hidden or not
            measured counts little.
        violated: Share of what should be visible that the camera looked through.
        visible: Share of the surface facing the camera that is confirmed.
        bounded: Share of the outline beyond which another surface begins.
        filled: Share of the detection's box that the object covers; NaN without a box.
        rms: RMS of the gaps over the tolerance; that of chance where nothing is confirmed.
        num_pixels: Pixels on which the object is confirmed, not bounded by 1.
    """

    agreement: FloatArray
    violated: FloatArray
    visible: FloatArray
    bounded: FloatArray
    filled: FloatArray
    rms: FloatArray
    num_pixels: FloatArray

    def features(self) -> dict[str, FloatArray]:
        """What log odds are a weighted sum of, by name."""
        return {
            "log_violated": np.log(self.violated + _LITTLE),
            "log_unconfirmed": np.log(np.maximum(1 - self.agreement, 0) + _LITTLE),
            "log_visible": np.log(self.visible + _LITTLE),
            "bounded": self.bounded,
            "log_filled": np.log(np.nan_to_num(self.filled, nan=1.0) + _LITTLE),
            "rms": self.rms,
            "log_pixels": np.minimum(np.log(np.maximum(self.num_pixels, 1)), _MOST_LOG_PIXELS),
        }

    def rows(self, index: np.ndarray) -> Evidence:
        """The evidence on some of the poses."""
        return Evidence(**{name: getattr(self, name)[index] for name in Evidence.__slots__})


def judge(
    model: PoseModel,
    surface: Surface,
    poses: FloatArray,
    scene: Scene,
    xyxy_px: FloatArray,
    *,
    tolerance: Tolerance,
    threads: int = 1,
) -> Evidence:
    """The evidence for and against poses.

    Args:
        model: The object.
        surface: One of its levels of detail.
        poses: float64 [H, 4, 4], scene from model.
        scene: The frame.
        xyxy_px: float64 [4], box that the object is looked for in; NaN where there is none.
        tolerance: Depths that differ by more disagree; the nearer, the more they agree.
        threads: That it may use.
    """
    from perception_stack.pose import _judging as k

    def judged(poses: FloatArray) -> FloatArray:
        return k.judge_poses(
            poses,
            (surface.points_m, surface.normals, surface.spacing_m, model.diameter_m),
            (scene.depth_m, scene.pinhole, scene.normals, STRIDE),
            tolerance.least_m,
            tolerance.noise_m,
        )

    poses = np.ascontiguousarray(poses)
    sums = by_parts(judged, poses, threads=threads)
    facing = np.maximum(sums[:, k.FACING], 1e-9)
    good = sums[:, k.CONFIRMED] - _UNLIKE_WEIGHT * sums[:, k.UNLIKE]
    expected = facing - (1 - _HIDDEN_WEIGHT) * sums[:, k.HIDDEN]
    expected -= (1 - _UNMEASURED_WEIGHT) * sums[:, k.UNMEASURED]
    in_question = facing - sums[:, k.HIDDEN] - sums[:, k.UNMEASURED]
    rim = sums[:, k.RIM]
    middle_m = poses[:, :3, :3] @ model.known.middle_m + poses[:, :3, 3]
    area_px = scene.pinhole[0] * scene.pinhole[1] * surface.spacing_m**2
    return Evidence(
        agreement=np.maximum(good, 0) / np.maximum(expected, 1e-9),
        violated=sums[:, k.VIOLATED] / np.maximum(in_question, 1e-9),
        visible=np.maximum(good, 0) / facing,
        bounded=1 - _CONTINUED_WEIGHT * sums[:, k.CONTINUED] / (rim + _FEW),
        filled=_filled(model, poses, scene, xyxy_px),
        rms=np.where(sums[:, k.CONFIRMED] > 0, sums[:, k.GAP], _RMS_BY_CHANCE),
        num_pixels=sums[:, k.CONFIRMED] * area_px / np.maximum(middle_m[:, 2], 1e-3) ** 2,
    )


def _filled(model: PoseModel, poses: FloatArray, scene: Scene, xyxy_px: FloatArray) -> FloatArray:
    """Share of the box that the rectangle around the object covers.

    The box may be around the visible part only, so what the object covers besides is no fault.
    """
    if np.isnan(xyxy_px).any():
        return np.full(len(poses), np.nan)
    some_m = model.even.points_m[:: max(len(model.even) // _MOST_FILLING, 1)]
    points_m = some_m @ poses[:, :3, :3].transpose(0, 2, 1) + poses[:, None, :3, 3]
    uv_px = scene.project(points_m)
    low = np.maximum(np.nan_to_num(uv_px.min(axis=1), nan=np.inf), xyxy_px[:2])
    high = np.minimum(np.nan_to_num(uv_px.max(axis=1), nan=-np.inf), xyxy_px[2:])
    return np.asarray(np.maximum((high - low) / (xyxy_px[2:] - xyxy_px[:2]), 0).prod(axis=1))
