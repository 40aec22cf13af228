"""Ground truth of the object and tracking benchmarks.

KITTI gives the bottom centre of a box, its height, width and length, and ``ry``, the turn about
the camera's y axis (down) that is 0 when the object points along the camera's x axis (right).
Our boxes have their origin in the middle, x ahead, y left and z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray, check_rows, check_shape
from perception_stack.geometry.transforms import matrix_from_quat, quat_from_matrix
from perception_stack.io.kitti.calibration import RECT
from perception_stack.io.kitti.stamps import stamp_of_frame
from perception_stack.io.text_files import Row, read_rows

_DONT_CARE = "DontCare"


@dataclass(frozen=True, slots=True, kw_only=True)
class KittiLabels:
    """What is labelled in one frame.

    Attributes:
        boxes: In ``camera_rect``; classes are KITTI's in lower case, score 1, no covariance.
        ids: Track of each box; -1 in the object benchmark.
        xyxy_px: float64 [N, 4], the box in the image.
        truncation: float64 [N]; in the object benchmark how much lies outside of the image, 0 to
            1, in the tracking benchmark 0, 1 or 2; -1 where unknown.
        occlusion: int64 [N]; 0 visible, 1 partly, 2 largely, 3 unknown.
        dont_care_xyxy_px: float64 [M, 4], regions whose objects are not labelled.
    """

    boxes: Boxes3D
    ids: tuple[int, ...]
    xyxy_px: FloatArray
    truncation: FloatArray
    occlusion: NDArray[np.int64]
    dont_care_xyxy_px: FloatArray

    def __post_init__(self) -> None:
        num = len(self.boxes)
        check_rows("ids", self.ids, num)
        check_shape("xyxy_px", self.xyxy_px, num, 4)
        check_shape("truncation", self.truncation, num)
        check_shape("occlusion", self.occlusion, num)
        check_shape("dont_care_xyxy_px", self.dont_care_xyxy_px, None, 4)

    @classmethod
    def empty(cls, *, stamp_ns: int) -> KittiLabels:
        """Nothing labelled."""
        return _labels((), first=0, stamp_ns=stamp_ns)


def read_object_labels(path: Path, *, stamp_ns: int) -> KittiLabels:
    """Labels of one frame of the object benchmark.

    Raises:
        DataFileError: no such file, or a row that is no label.
    """
    # type, truncation, occlusion, alpha, 2-D box, h, w, l, x, y, z, ry
    rows = list(read_rows(path, names=(0,), num_columns=15))
    return _labels(rows, first=0, stamp_ns=stamp_ns)


def read_tracking_labels(path: Path) -> dict[int, KittiLabels]:
    """Labels of a sequence of the tracking benchmark, by frame number; frames without are absent.

    Raises:
        DataFileError: no such file, or a row that is no label.
    """
    # frame, track, then the columns of the object benchmark
    frames: dict[int, list[Row]] = {}
    for row in read_rows(path, names=(2,), num_columns=17):
        frames.setdefault(int(row.numbers[0]), []).append(row)
    return {
        frame: _labels(rows, first=2, stamp_ns=stamp_of_frame(frame))
        for frame, rows in sorted(frames.items())
    }


def boxes_from_kitti(
    hwl_xyz_ry: FloatArray, labels: Sequence[str], *, score: FloatArray, stamp_ns: int
) -> Boxes3D:
    """Boxes in ``camera_rect`` from KITTI's seven numbers, without covariance.

    Args:
        hwl_xyz_ry: float64 [N, 7], height, width, length, bottom centre x, y, z, turn ``ry``.
        labels: N class names.
        score: float64 [N], in [0, 1].
        stamp_ns: Stamp to give them.
    """
    num = len(hwl_xyz_ry)
    if num == 0:
        return Boxes3D.empty(frame_id=RECT, stamp_ns=stamp_ns)
    height_m, width_m, length_m, x, y, z, ry = hwl_xyz_ry.T
    cosine, sine, zero = np.cos(ry), np.sin(ry), np.zeros(num)
    ahead = np.stack([cosine, zero, -sine], axis=1)
    left = np.stack([sine, zero, cosine], axis=1)
    up = np.stack([zero, zero - 1, zero], axis=1)
    classes = tuple(sorted(set(labels)))
    column = [classes.index(label) for label in labels]
    return Boxes3D(
        frame_id=RECT,
        stamp_ns=stamp_ns,
        center_m=np.stack([x, y - height_m / 2, z], axis=1),
        quat_xyzw=quat_from_matrix(np.stack([ahead, left, up], axis=2)),
        size_lwh_m=np.stack([length_m, width_m, height_m], axis=1),
        covariance=np.zeros((num, 6, 6)),
        score=score,
        classes=classes,
        class_probs=np.eye(len(classes))[column],
        sensors=((),) * num,
    )


def yaw_camera_from_quat(quat_xyzw: FloatArray) -> FloatArray:
    """KITTI's ``ry`` of boxes in ``camera_rect``: the direction of their x axis seen from above.

    Args:
        quat_xyzw: float64 [N, 4].

    Returns:
        float64 [N], radians in [-pi, pi].
    """
    ahead = matrix_from_quat(quat_xyzw)[..., :, 0]
    yaw: FloatArray = np.arctan2(-ahead[..., 2], ahead[..., 0])
    return yaw


def _labels(rows: Sequence[Row], *, first: int, stamp_ns: int) -> KittiLabels:
    objects = [row for row in rows if row.names[0] != _DONT_CARE]
    ignored = [row for row in rows if row.names[0] == _DONT_CARE]
    # numbers of a row are counted without its name, which follows column ``first``
    table = np.array([row.numbers[first:] for row in objects]).reshape(-1, 14)
    regions = np.array([row.numbers[first:] for row in ignored]).reshape(-1, 14)
    return KittiLabels(
        boxes=boxes_from_kitti(
            table[:, 7:],
            [row.names[0].lower() for row in objects],
            score=np.ones(len(objects)),
            stamp_ns=stamp_ns,
        ),
        ids=tuple(int(row.numbers[1]) if first else -1 for row in objects),
        xyxy_px=table[:, 3:7],
        truncation=table[:, 0],
        occlusion=table[:, 1].astype(np.int64),
        dont_care_xyxy_px=regions[:, 3:7],
    )
