"""The tracker: one list of objects over time, out of the detections of each frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from perception_stack.datatypes import UNKNOWN, Boxes3D, TrackedObjects
from perception_stack.errors import FrameMismatchError
from perception_stack.journal import Journal, Reason
from perception_stack.tracking.association import IntArray, associate
from perception_stack.tracking.births import births, is_duplicate
from perception_stack.tracking.classification import fused, likelihood, spread, statement
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.existence import log_odds_of, missed, seen
from perception_stack.tracking.filter import updated
from perception_stack.tracking.heading import settled
from perception_stack.tracking.listing import listed
from perception_stack.tracking.measurements import Measurements, measurements_from_boxes
from perception_stack.tracking.motion import is_lost, predict
from perception_stack.tracking.tracks import Tracks, no_tracks, object_array


class Tracker:
    """3-D multi-object tracker in a fixed frame.

    The same input gives the same identities and the same floats; the order of the detections
    within a frame does not matter.

    Args:
        config: Parameters.
        journal: Told of every frame and detection left out.
    """

    def __init__(self, config: TrackerConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._vocabulary: tuple[str, ...] = (UNKNOWN,)
        self._tracks = no_tracks(len(self._vocabulary))
        self._newest_ns: int | None = None

    def warm_up(self) -> None:
        """Import and compile everything, which would otherwise hold up a frame for seconds."""
        config = self._config
        one = Boxes3D.empty(frame_id=config.fixed_frame, stamp_ns=0)
        two = replace(
            one,
            center_m=np.zeros((2, 3)),
            quat_xyzw=np.tile([0.0, 0.0, 0.0, 1.0], (2, 1)),
            size_lwh_m=np.ones((2, 3)),
            covariance=np.tile(np.eye(6), (2, 1, 1)),
            score=np.ones(2),
            class_probs=np.ones((2, 1)),
            sensors=((), ()),
        )
        trial = Tracker(config, Journal())
        for num in (1, 2):  # the second of two in one place is looked at more closely
            trial.update(replace(two.rows(np.arange(num)), stamp_ns=num))

    def update(self, boxes: Boxes3D) -> TrackedObjects | None:
        """The tracked list after one more frame, also when nothing was detected in it.

        Args:
            boxes: All detections of the frame, in the fixed frame, in any order.

        Returns:
            Confirmed and coasting objects, and tentative ones if the configuration says so, at
            the stamp of ``boxes``. ``None`` for a frame that is not newer than the last one: it
            is counted and left out.

        Raises:
            FrameMismatchError: the boxes are not in the configuration's fixed frame.
        """
        config, stamp_ns = self._config, boxes.stamp_ns
        if boxes.frame_id != config.fixed_frame:
            raise FrameMismatchError(
                "boxes to track", expected=config.fixed_frame, received=boxes.frame_id
            )
        if not self._is_newer(stamp_ns):
            return None
        dt_s = 0.0 if self._newest_ns is None else (stamp_ns - self._newest_ns) * 1e-9
        self._newest_ns = stamp_ns
        self._learn_classes(boxes.classes)

        found = measurements_from_boxes(
            boxes, vocabulary=self._vocabulary, config=config, journal=self._journal
        )
        tracks = predict(self._tracks, dt_s, config)
        tracks = tracks.rows(~is_lost(tracks, config))
        track_like = likelihood(tracks.class_probs, self._vocabulary, config)
        seen_tracks, used = associate(tracks, track_like, found, config)
        hits = self._with_detections(tracks.rows(seen_tracks), found.rows(used), stamp_ns, dt_s)
        tracks = replace(
            tracks,
            log_odds=missed(tracks.log_odds, dt_s, config),
            sensors=object_array([()] * len(tracks)),
        ).with_rows(seen_tracks, hits)
        tracks = settled(tracks.rows(tracks.log_odds >= log_odds_of(config.remove_existence)))
        born = self._births(found.rows(_others(used, len(found))), tracks, stamp_ns)
        self._tracks = tracks.followed_by(born)
        return listed(self._tracks, stamp_ns=stamp_ns, vocabulary=self._vocabulary, config=config)

    def _is_newer(self, stamp_ns: int) -> bool:
        if self._newest_ns is None or stamp_ns > self._newest_ns:
            return True
        back_s = (self._newest_ns - stamp_ns) * 1e-9
        if back_s > self._config.reset_s:
            detail = f"back by {back_s:.3f} s; {len(self._tracks)} objects forgotten"
            self._journal.count(Reason.STAMP_JUMP, stamp_ns=stamp_ns, detail=detail)
            self.reset()
            return True
        detail = f"{back_s * 1e3:.1f} ms before the newest frame"
        self._journal.count(Reason.STALE_STAMP, stamp_ns=stamp_ns, detail=detail)
        return False

    def _learn_classes(self, classes: tuple[str, ...]) -> None:
        """Widen the vocabulary; it only grows, and its order is that of the names."""
        vocabulary = tuple(sorted({*self._vocabulary, *classes}))
        wide = spread(self._tracks.class_probs, self._vocabulary, vocabulary=vocabulary)
        self._tracks = replace(self._tracks, class_probs=wide)
        self._vocabulary = vocabulary

    def _with_detections(
        self, tracks: Tracks, found: Measurements, stamp_ns: int, dt_s: float
    ) -> Tracks:
        """Tracks after one detection each, row by row."""
        config = self._config
        log_odds = seen(tracks.log_odds, found.score, dt_s, config)
        unseen_s = np.multiply(stamp_ns - tracks.last_seen_ns, 1e-9, dtype=np.float64)
        return replace(
            updated(tracks, found, config),
            log_odds=log_odds,
            confirmed=tracks.confirmed | (log_odds >= log_odds_of(config.confirm_existence)),
            class_probs=fused(
                tracks.class_probs,
                statement(found.class_probs, self._vocabulary, config),
                unseen_s,
                config,
            ),
            num_detections=tracks.num_detections + 1,
            last_seen_ns=np.full(len(tracks), stamp_ns, dtype=np.int64),
            sensors=found.sensors,
        )

    def _births(self, free: Measurements, tracks: Tracks, stamp_ns: int) -> Tracks:
        """New tracks of the detections that are left; those not worth one are counted."""
        config = self._config
        strong = free.score >= config.strong_score
        self._journal.count(
            Reason.BELOW_THRESHOLD,
            stamp_ns=stamp_ns,
            detail=f"score below {config.strong_score} and no object there",
            num=int(np.sum(~strong)),
        )
        free = free.rows(strong)
        duplicate = is_duplicate(free, tracks, config)
        self._journal.count(
            Reason.DUPLICATE,
            stamp_ns=stamp_ns,
            detail=f"overlaps an object by more than {config.duplicate_overlap}",
            num=int(np.sum(duplicate)),
        )
        return births(free.rows(~duplicate), stamp_ns=stamp_ns, config=config)


def _others(index: IntArray, num: int) -> IntArray:
    others: IntArray = np.delete(np.arange(num), index)
    return others
