"""What is found and followed in images."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes.checks import FloatArray, check_array, check_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections2D:
    """Boxes in one image.

    Attributes:
        frame_id: Optical frame of the camera.
        stamp_ns: Stamp of the image.
        xyxy_px: float64 [N, 4], left, top, right, bottom in pixels of the raw image.
        score: float64 [N], in [0, 1].
        labels: N class names.
        mask: uint16 [H, W], ``i + 1`` where a pixel of the raw image belongs to detection i, 0
            where to none; None where the detector gives no masks.
    """

    frame_id: str
    stamp_ns: int
    xyxy_px: FloatArray
    score: FloatArray
    labels: tuple[str, ...]
    mask: NDArray[np.uint16] | None = None

    def __post_init__(self) -> None:
        check_array("xyxy_px", self.xyxy_px, np.float64, None, 4)
        check_array("score", self.score, np.float64, len(self.xyxy_px))
        check_rows("labels", self.labels, len(self.xyxy_px))
        if self.mask is not None:
            check_array("mask", self.mask, np.uint16, None, None)

    def __len__(self) -> int:
        return len(self.xyxy_px)


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
