"""What is found and followed in images."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes.checks import FloatArray, check_array, check_rows

LabelImage = NDArray[np.uint8] | NDArray[np.uint16]
"""Which detection a pixel belongs to: ``i + 1`` for detection i, 0 for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keypoints2D:
    """Named points on each of N objects of one image.

    Attributes:
        names: K names, such as ``left_elbow``.
        uv_px: float64 [N, K, 2], column and row in the raw image; may lie outside of it.
        score: float64 [N, K], in [0, 1], that the point is there and seen.
    """

    names: tuple[str, ...]
    uv_px: FloatArray
    score: FloatArray

    def __post_init__(self) -> None:
        num, num_points = len(self.uv_px), len(self.names)
        check_array("uv_px", self.uv_px, np.float64, num, num_points, 2)
        check_array("score", self.score, np.float64, num, num_points)

    def __len__(self) -> int:
        return len(self.uv_px)

    def seen_px(self, row: int, *, least: float) -> FloatArray:
        """Points of one object as a pose is found from them: NaN where the score is too low.

        Args:
            row: Of the object.
            least: Least score of a point.

        Returns:
            float64 [K, 2], in the order of the names.
        """
        seen = self.score[row] >= least
        uv_px: FloatArray = np.where(seen[:, None], self.uv_px[row], np.nan)
        return uv_px


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections2D:
    """Boxes in one image, and what else the network says of what is in them.

    Attributes:
        frame_id: Optical frame of the camera.
        stamp_ns: Stamp of the image.
        xyxy_px: float64 [N, 4], left, top, right, bottom in pixels of the raw image.
        score: float64 [N], in [0, 1].
        labels: N class names.
        mask: uint8 or uint16 [H, W], ``i + 1`` where a pixel of the raw image belongs to detection
            i, 0 where to none; None where the detector gives no masks.
        keypoints: Of the same N objects; None where the detector gives none.
        rotated_px: float64 [N, 5], centre, width and height of oriented boxes, and the angle in
            radians from the image's x axis to the width, positive from x (right) to y (down);
            ``xyxy_px`` is then the upright box around each. None where boxes are upright.
    """

    frame_id: str
    stamp_ns: int
    xyxy_px: FloatArray
    score: FloatArray
    labels: tuple[str, ...]
    mask: LabelImage | None = None
    keypoints: Keypoints2D | None = None
    rotated_px: FloatArray | None = None

    def __post_init__(self) -> None:
        num = len(self.xyxy_px)
        check_array("xyxy_px", self.xyxy_px, np.float64, None, 4)
        check_array("score", self.score, np.float64, num)
        check_rows("labels", self.labels, num)
        if self.mask is not None:
            kind = np.uint8 if self.mask.dtype == np.uint8 else np.uint16
            check_array("mask", self.mask, kind, None, None)
        if self.keypoints is not None:
            check_rows("keypoints", self.keypoints, num)
        if self.rotated_px is not None:
            check_array("rotated_px", self.rotated_px, np.float64, num, 5)

    def __len__(self) -> int:
        return len(self.xyxy_px)

    @classmethod
    def empty(cls, *, frame_id: str, stamp_ns: int) -> Detections2D:
        """No boxes at all."""
        return cls(
            frame_id=frame_id,
            stamp_ns=stamp_ns,
            xyxy_px=np.empty((0, 4)),
            score=np.empty(0),
            labels=(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLabels:
    """What people or a simulator say is to be seen in one image.

    Attributes:
        xyxy_px: float64 [N, 4], as those of :class:`Detections2D`.
        labels: N class names; empty for a region in which nothing more is labelled.
        ignored: bool [N], in which nothing is learnt: crowds, objects nearly hidden, regions.
        hard: bool [N], ignored ones, and others that scores leave out.
        occluded: float64 [N], share hidden by other things; NaN where unknown.
    """

    xyxy_px: FloatArray
    labels: tuple[str, ...]
    ignored: NDArray[np.bool_]
    hard: NDArray[np.bool_]
    occluded: FloatArray

    def __post_init__(self) -> None:
        num = len(self.labels)
        check_array("xyxy_px", self.xyxy_px, np.float64, num, 4)
        check_array("ignored", self.ignored, np.bool_, num)
        check_array("hard", self.hard, np.bool_, num)
        check_array("occluded", self.occluded, np.float64, num)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedBoxes2D:
    """Objects followed in the images of one camera, at one stamp.

    Attributes:
        frame_id: Optical frame of the camera.
        stamp_ns: Stamp of the image.
        xyxy_px: float64 [N, 4], left, top, right, bottom in pixels of the raw image.
        score: float64 [N], existence probability.
        classes: C class names, shared by all rows, without repetition.
        class_probs: float64 [N, C], rows sum to 1.
        ids: N identities, the same for an object in all frames of a run.
        state: uint8 [N] of :class:`TrackState`.
        velocity_px: float64 [N, 2], of the centre, pixels per second right and down.
        num_detections: int64 [N], detections used since birth.
        last_seen_ns: int64 [N], stamp of the newest detection used.
    """

    frame_id: str
    stamp_ns: int
    xyxy_px: FloatArray
    score: FloatArray
    classes: tuple[str, ...]
    class_probs: FloatArray
    ids: tuple[UUID, ...]
    state: NDArray[np.uint8]
    velocity_px: FloatArray
    num_detections: NDArray[np.int64]
    last_seen_ns: NDArray[np.int64]

    def __post_init__(self) -> None:
        num = len(self.xyxy_px)
        check_array("xyxy_px", self.xyxy_px, np.float64, None, 4)
        check_array("score", self.score, np.float64, num)
        check_array("class_probs", self.class_probs, np.float64, num, len(self.classes))
        check_rows("ids", self.ids, num)
        check_array("state", self.state, np.uint8, num)
        check_array("velocity_px", self.velocity_px, np.float64, num, 2)
        check_array("num_detections", self.num_detections, np.int64, num)
        check_array("last_seen_ns", self.last_seen_ns, np.int64, num)

    def __len__(self) -> int:
        return len(self.xyxy_px)

    @property
    def labels(self) -> tuple[str, ...]:
        """The most probable class of each box; the first one of equals."""
        if not len(self):
            return ()  # before the first detection no class is known
        return tuple(self.classes[i] for i in np.argmax(self.class_probs, axis=1))
