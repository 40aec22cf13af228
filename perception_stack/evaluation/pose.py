"""6-DoF pose errors ADD and ADD-S, and the area under their accuracy curve.

Hinterstoisser et al. (ACCV 2012) for ADD; Xiang et al., "PoseCNN" (RSS 2018) for ADD-S and the
area under the curve from 0 to 10 cm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from perception_stack.datatypes import Boxes3D, FloatArray, check_shape
from perception_stack.errors import DecodeError, FrameMismatchError
from perception_stack.evaluation.matching import assign
from perception_stack.geometry.transforms import matrix_from_quat

AUC_LIMIT_M = 0.1
_NEAR_M = 0.02
_CHUNK = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Poses:
    """Poses of one model, row by row.

    Attributes:
        rotation: float64 [N, 3, 3]; takes model axes to the camera's.
        translation_m: float64 [N, 3], origin of the model in the camera frame.
    """

    rotation: FloatArray
    translation_m: FloatArray

    def __post_init__(self) -> None:
        check_shape("rotation", self.rotation, None, 3, 3)
        check_shape("translation_m", self.translation_m, len(self.rotation), 3)

    def __len__(self) -> int:
        return len(self.rotation)


def add_m(truth: Poses, estimate: Poses, points_m: FloatArray) -> FloatArray:
    """Mean distance of each model point under the estimate from itself under the truth (ADD).

    Args:
        truth: N poses.
        estimate: N poses.
        points_m: float64 [P, 3], points on the model, metres.

    Returns:
        float64 [N], metres.
    """
    check_shape("points_m", points_m, None, 3)
    turn = estimate.rotation - truth.rotation
    shift = estimate.translation_m - truth.translation_m
    error = np.empty(len(truth))
    for start in range(0, len(truth), _CHUNK):
        rows = slice(start, start + _CHUNK)
        offset = points_m @ np.swapaxes(turn[rows], 1, 2) + shift[rows, None]
        error[rows] = np.linalg.norm(offset, axis=2).mean(axis=1)
    return error


def add_s_m(truth: Poses, estimate: Poses, points_m: FloatArray) -> FloatArray:
    """Mean distance of each model point under the truth from the nearest under the estimate.

    The error for objects that look the same from several sides (ADD-S, also ADI).

    Args:
        truth: N poses.
        estimate: N poses.
        points_m: float64 [P, 3], points on the model, metres.

    Returns:
        float64 [N], metres.
    """
    from scipy.spatial import cKDTree

    check_shape("points_m", points_m, None, 3)
    tree = cKDTree(points_m)
    # true points as the model under the estimate sees them: the tree then serves all poses
    turn = np.swapaxes(estimate.rotation, 1, 2) @ truth.rotation
    shift = np.einsum(
        "nji,nj->ni", estimate.rotation, truth.translation_m - estimate.translation_m
    )
    error = np.empty(len(truth))
    for row in range(len(truth)):
        distance, _ = tree.query(points_m @ turn[row].T + shift[row])
        error[row] = distance.mean()
    return error


def accuracy_auc(error_m: FloatArray, *, limit_m: float = AUC_LIMIT_M) -> float:
    """Area under the share of errors below a threshold, from 0 to the limit, scaled to [0, 1].

    Args:
        error_m: float64 [N]; infinite where nothing was found.
        limit_m: Largest threshold.

    Returns:
        0 where there are no errors to speak of (N = 0).
    """
    if len(error_m) == 0:
        return 0.0
    return float(np.clip(1.0 - error_m / limit_m, 0.0, 1.0).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseErrors:
    """Errors of all true poses of one class; row i of each array is one true pose.

    Attributes:
        add_m: float64 [N]; infinite where the object was not found.
        add_s_m: float64 [N]; infinite where the object was not found.
        num_false: Estimates that no true pose was left for.
    """

    add_m: FloatArray
    add_s_m: FloatArray
    num_false: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Areas under the curves and counts for JSON."""
        found = np.isfinite(self.add_m)
        return {
            "num_truth": len(self.add_m),
            "num_found": int(found.sum()),
            "num_false": self.num_false,
            "add_auc": accuracy_auc(self.add_m),
            "add_s_auc": accuracy_auc(self.add_s_m),
            "add_s_below_2cm": float((self.add_s_m < _NEAR_M).sum() / max(len(found), 1)),
            "median_add_m": float(np.median(self.add_m[found])) if found.any() else None,
            "median_add_s_m": float(np.median(self.add_s_m[found])) if found.any() else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseScores:
    """Pose scores of a recording, by class."""

    per_class: dict[str, PoseErrors]

    @property
    def all_classes(self) -> PoseErrors:
        """The errors of all classes together."""
        each = self.per_class.values()
        return PoseErrors(
            add_m=np.concatenate([np.empty(0), *(one.add_m for one in each)]),
            add_s_m=np.concatenate([np.empty(0), *(one.add_s_m for one in each)]),
            num_false=sum(one.num_false for one in each),
        )

    def as_dict(self) -> dict[str, Any]:
        """Scores for JSON."""
        return {
            "all_classes": self.all_classes.as_dict(),
            "per_class": {name: one.as_dict() for name, one in self.per_class.items()},
        }


def evaluate_poses(
    truth: Sequence[Boxes3D],
    estimates: Sequence[Boxes3D],
    models: Mapping[str, FloatArray],
) -> PoseScores:
    """Errors of estimated object poses, frames belonging together by stamp.

    Of several objects of one class in a frame each takes the estimate that makes the sum of the
    centre distances smallest. Frames without an estimate count as not found.

    Args:
        truth: True poses; boxes whose pose is that of the model's axes. One frame for each stamp.
        estimates: Estimated poses in the same frames.
        models: Points float64 [P, 3] on the surface of each class's model; truth of other classes
            is left out.

    Raises:
        FrameMismatchError: truth and estimate of one stamp are in different frames.
        DecodeError: a stamp occurs twice on one side.
    """
    reported = {one.stamp_ns: one for one in estimates}
    if len(reported) < len(estimates) or len({one.stamp_ns for one in truth}) < len(truth):
        raise DecodeError("two frames of poses have the same stamp")
    per_class = {}
    for name, points_m in models.items():
        found_truth, found, num_lost, num_false = [], [], 0, 0
        for frame in truth:
            there = _of_class(frame, name)
            report = reported.get(frame.stamp_ns)
            if report is None:
                num_lost += len(there)
                continue
            if report.frame_id != frame.frame_id:
                raise FrameMismatchError(
                    "poses to evaluate", expected=frame.frame_id, received=report.frame_id
                )
            seen = _of_class(report, name)
            offset = there.center_m[:, None] - seen.center_m[None, :]
            # any falling function of distance will do: a pair is always better than none
            nearness = 1.0 / (1.0 + np.linalg.norm(offset, axis=2))
            rows, cols = assign(nearness, threshold=0.0)
            found_truth.append(there.rows(rows))
            found.append(seen.rows(cols))
            num_lost += len(there) - len(rows)
            num_false += len(seen) - len(cols)
        pair = _poses(found_truth), _poses(found)
        lost = np.full(num_lost, np.inf)
        per_class[name] = PoseErrors(
            add_m=np.concatenate([add_m(*pair, points_m), lost]),
            add_s_m=np.concatenate([add_s_m(*pair, points_m), lost]),
            num_false=num_false,
        )
    return PoseScores(per_class=per_class)


def _of_class(boxes: Boxes3D, name: str) -> Boxes3D:
    return boxes.rows(np.flatnonzero([label == name for label in boxes.labels]))


def _poses(frames: Sequence[Boxes3D]) -> Poses:
    quat = np.concatenate([np.empty((0, 4)), *(boxes.quat_xyzw for boxes in frames)])
    center = np.concatenate([np.empty((0, 3)), *(boxes.center_m for boxes in frames)])
    return Poses(rotation=matrix_from_quat(quat), translation_m=center)
