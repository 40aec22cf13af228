"""The image tracker: one list of objects over time, out of the 2-D detections of one camera."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import Detections2D, TrackedBoxes2D, TrackState
from perception_stack.errors import FrameMismatchError
from perception_stack.journal import Journal, Reason
from perception_stack.tracking.common.left_out import count_unborn, starts_anew
from perception_stack.tracking.image.config import ImageTrackerConfig, numbers
from perception_stack.tracking.image.detections import Found, Instant, prepared
from perception_stack.tracking.image.step import step
from perception_stack.tracking.image.tracks import (
    CONFIRMED,
    DETECTIONS,
    SEEN_NS,
    SERIAL,
    Memory,
)


class ImageTracker:
    """Multi-object tracker for a camera without depth.

    The same input gives the same identities and the same floats; the order of the detections
    within a frame does not matter.

    Args:
        config: Parameters.
        journal: Told of every frame and detection left out.
    """

    def __init__(self, config: ImageTrackerConfig, journal: Journal) -> None:
        self._config = config
        self._parameters = numbers(config)
        self._journal = journal
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._memory = Memory()

    def warm_up(self) -> None:
        """Import and compile everything, which would otherwise hold up a frame for seconds."""
        trial = ImageTracker(self._config, Journal())
        for stamp_ns in range(2):
            trial.update(
                Detections2D(
                    frame_id="",
                    stamp_ns=stamp_ns,
                    xyxy_px=np.array([[10.0, 10.0, 20.0, 20.0]]),
                    score=np.ones(1),
                    labels=("unknown",),
                )
            )

    def update(
        self, detections: Detections2D, *, image_size_px: tuple[int, int] | None = None
    ) -> TrackedBoxes2D | None:
        """The tracked list after one more frame, also when nothing was detected in it.

        Args:
            detections: All detections of the frame, in any order; masks are not used.
            image_size_px: Width and height of this image; None for those of the configuration.

        Returns:
            Confirmed and coasting objects, and tentative ones if the configuration says so.
            ``None`` for a frame that is not newer than the last one: it is counted and left out.

        Raises:
            FrameMismatchError: the detections are of another camera than those before.
        """
        memory, stamp_ns = self._memory, detections.stamp_ns
        if memory.frame_id not in (None, detections.frame_id):
            raise FrameMismatchError(
                "boxes to track", expected=str(memory.frame_id), received=detections.frame_id
            )
        if memory.stamp_ns is not None and stamp_ns <= memory.stamp_ns:
            if not starts_anew(
                stamp_ns,
                memory.stamp_ns,
                self._config,
                self._journal,
                num_objects=memory.num,
            ):
                return None
            self.reset()
            memory = self._memory
        memory.frame_id = detections.frame_id
        config = self._config
        size_px = image_size_px or (config.image_width_px, config.image_height_px)
        return self._advance(memory, detections, size_px)

    def _advance(
        self, memory: Memory, detections: Detections2D, size_px: tuple[int, int]
    ) -> TrackedBoxes2D:
        stamp_ns = detections.stamp_ns
        memory.make_room(len(detections), detections.labels)
        found = self._prepared(detections, memory.vocabulary)
        last_ns = memory.stamp_ns
        instant = Instant(
            stamp_ns=stamp_ns,
            dt_s=0.0 if last_ns is None else (stamp_ns - last_ns) * 1e-9,
            serial=memory.next_serial,
            width_px=float(size_px[0] or np.inf),
            height_px=float(size_px[1] or np.inf),
        )
        num, num_used, num_duplicates, listing = step(
            memory.tracks, memory.num, found, instant, self._parameters
        )
        memory.name_new(num, stamp_ns)
        num_weak = len(found.score) - num_used - num_duplicates
        count_unborn(num_weak, num_duplicates, self._config, self._journal, stamp_ns=stamp_ns)
        xyxy_px, score, class_probs, velocity_px, whole = listing
        state = np.full(len(score), TrackState.CONFIRMED, dtype=np.uint8)
        state[whole[:, SEEN_NS] < stamp_ns] = TrackState.COASTING
        state[whole[:, CONFIRMED] == 0] = TrackState.TENTATIVE
        return TrackedBoxes2D(
            frame_id=detections.frame_id,
            stamp_ns=stamp_ns,
            xyxy_px=xyxy_px,
            score=score,
            classes=memory.vocabulary,
            class_probs=class_probs,
            ids=memory.ids(whole[:, SERIAL].tolist()),
            state=state,
            velocity_px=velocity_px,
            num_detections=whole[:, DETECTIONS].copy(),
            last_seen_ns=whole[:, SEEN_NS].copy(),
        )

    def _prepared(self, detections: Detections2D, vocabulary: tuple[str, ...]) -> Found:
        label = np.array([vocabulary.index(one) for one in detections.labels], dtype=np.int64)
        found: Found = prepared(
            np.ascontiguousarray(detections.xyxy_px), np.ascontiguousarray(detections.score), label
        )
        if len(found.score) < len(label):
            self._journal.count(
                Reason.NON_FINITE_BOXES,
                stamp_ns=detections.stamp_ns,
                detail="boxes with NaN, infinite or impossible values were left out",
                num=len(label) - len(found.score),
            )
        return found
