"""What is known of each object found: where it is, how surely, and where else it may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray, check_array, check_rows
from perception_stack.geometry.transforms import RigidTransform, quat_from_matrix
from perception_stack.pose.models import PoseModel

SENSORS = ("camera", "depth")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """One object.

    Attributes:
        model: Which.
        pose: float64 [4, 4], scene from model.
        covariance: float64 [6, 6] of (x, y, z, rotation about the fixed axes x, y, z).
        score: Probability that the object is there in this pose, up to its symmetries.
        visible: Share of the surface facing the camera that is confirmed.
        contradicted: Share of what should be visible that the camera looked through.
        num_points: Seen points that lie on it.
        alternatives: float64 [A, 4, 4], other poses that fit as well; by symmetry, or because
            what would tell them apart is hidden.
    """

    model: PoseModel
    pose: FloatArray
    covariance: FloatArray
    score: float
    visible: float
    contradicted: float
    num_points: int
    alternatives: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseEstimates:
    """All objects found in one frame.

    Attributes:
        boxes: N poses of the meshes' frames, their covariance and score; a box is centred on the
            mesh's origin.
        visible: float64 [N], share of the surface facing the camera that is confirmed.
        contradicted: float64 [N], share of what should be visible that the camera looked through.
        num_points: int64 [N], seen points on each.
        alternatives: N arrays float64 [A, 4, 4], poses (scene from model) that fit as well.
    """

    boxes: Boxes3D
    visible: FloatArray
    contradicted: FloatArray
    num_points: NDArray[np.int64]
    alternatives: tuple[FloatArray, ...]

    def __post_init__(self) -> None:
        num = len(self.boxes)
        check_array("visible", self.visible, np.float64, num)
        check_array("contradicted", self.contradicted, np.float64, num)
        check_array("num_points", self.num_points, np.int64, num)
        check_rows("alternatives", self.alternatives, num)

    def __len__(self) -> int:
        return len(self.boxes)

    def alternative_boxes(self) -> Boxes3D:
        """All alternatives as boxes, with the score of the pose that they may stand for.

        Instead of sensors they name that object: its row, such as ``"2"``.
        """
        each = [len(one) for one in self.alternatives]
        rows = np.repeat(np.arange(len(self)), each)
        boxes = self.boxes.rows(rows)
        if not len(rows):
            return boxes
        poses = np.concatenate(self.alternatives)
        return replace(
            boxes,
            center_m=poses[:, :3, 3],
            quat_xyzw=quat_from_matrix(poses[:, :3, :3]),
            sensors=tuple((str(row),) for row in rows.tolist()),
        )

    def transforms(self) -> list[RigidTransform]:
        """The frame of each object in that of the camera, ``mug_0`` for the first mug."""
        seen: Counter[str] = Counter()
        transforms = []
        for row, label in enumerate(self.boxes.labels):
            transforms.append(
                RigidTransform.from_quat(
                    target=self.boxes.frame_id,
                    source=f"{label}_{seen[label]}",
                    quat_xyzw=self.boxes.quat_xyzw[row],
                    translation_m=self.boxes.center_m[row],
                )
            )
            seen[label] += 1
        return transforms


def estimates_of(found: Sequence[Found], *, frame_id: str, stamp_ns: int) -> PoseEstimates:
    """Objects as arrays, in the order given."""
    boxes = Boxes3D.empty(frame_id=frame_id, stamp_ns=stamp_ns)
    if found:
        classes = tuple(sorted({one.model.name for one in found}))
        boxes = Boxes3D(
            frame_id=frame_id,
            stamp_ns=stamp_ns,
            center_m=np.array([one.pose[:3, 3] for one in found]),
            quat_xyzw=quat_from_matrix(np.array([one.pose[:3, :3] for one in found])),
            size_lwh_m=np.array([one.model.box_lwh_m for one in found]),
            covariance=np.array([one.covariance for one in found]),
            score=np.array([one.score for one in found]),
            classes=classes,
            class_probs=np.array(
                [[float(name == one.model.name) for name in classes] for one in found]
            ),
            sensors=(SENSORS,) * len(found),
        )
    return PoseEstimates(
        boxes=boxes,
        visible=np.array([one.visible for one in found], dtype=np.float64),
        contradicted=np.array([one.contradicted for one in found], dtype=np.float64),
        num_points=np.array([one.num_points for one in found], dtype=np.int64),
        alternatives=tuple(one.alternatives for one in found),
    )
