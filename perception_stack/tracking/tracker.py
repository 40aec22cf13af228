"""The tracker: one list of objects over time, out of the detections of each frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from perception_stack.datatypes import UNKNOWN, Boxes3D, TrackedObjects
from perception_stack.errors import FrameMismatchError
from perception_stack.journal import Journal, Reason
from perception_stack.tracking.association import associate
from perception_stack.tracking.births import with_births
from perception_stack.tracking.classification import likelihood, spread
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.evidence import Passage, after_frame
from perception_stack.tracking.history import History, Knowledge, Past
from perception_stack.tracking.listing import listed
from perception_stack.tracking.measurements import measurements_from_boxes
from perception_stack.tracking.motion import is_lost, predict
from perception_stack.tracking.sight import Sight
from perception_stack.tracking.tracks import no_tracks


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
        self._known = Knowledge(tracks=no_tracks(1), vocabulary=(UNKNOWN,), stamp_ns=None)
        self._history = History(self._config.reorder_horizon_s)

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
        sight = Sight(origin_m=np.ones(3), ahead=np.array([1.0, 0.0, 0.0]))
        trial = Tracker(config, Journal())
        for stamp_ns, num in enumerate(
            (1, 2, 0)
        ):  # the second of two in one place is looked at more closely
            trial.update(replace(two.rows(np.arange(num)), stamp_ns=stamp_ns), sight=sight)

    def update(self, boxes: Boxes3D, *, sight: Sight | None = None) -> TrackedObjects | None:
        """The tracked list after one more frame, also when nothing was detected in it.

        Args:
            boxes: All detections of the frame, in the fixed frame, in any order.
            sight: From where the detector looked. Without it, whatever is not detected counts as
                missed, and boxes are taken to be seen from all sides.

        Returns:
            Confirmed and coasting objects, and tentative ones if the configuration says so, at
            the stamp of the newest frame. ``None`` for a frame that is not newer than the last
            one and too late to run the later ones again: it is counted and left out.

        Raises:
            FrameMismatchError: the boxes are not in the configuration's fixed frame.
        """
        config, stamp_ns = self._config, boxes.stamp_ns
        if boxes.frame_id != config.fixed_frame:
            raise FrameMismatchError(
                "boxes to track", expected=config.fixed_frame, received=boxes.frame_id
            )
        newest_ns = self._known.stamp_ns
        if newest_ns is not None and stamp_ns <= newest_ns:
            later = self._history.taken_back(stamp_ns)
            if later:
                return self._run_again(boxes, sight, later)
            if not self._starts_anew(stamp_ns, newest_ns):
                return None
        return self._advance(boxes, sight)

    @property
    def known(self) -> Knowledge:
        """Everything known at the newest stamp, also what is not listed."""
        return self._known

    def predicted(self, horizon_s: float) -> TrackedObjects:
        """The newest list as it is expected to be after a time, with covariance.

        Args:
            horizon_s: Seconds after the newest frame, not negative.

        Raises:
            RuntimeError: no frame has come yet.
        """
        known = self._known
        if known.stamp_ns is None:
            raise RuntimeError("nothing to predict before the first frame")
        later = predict(known.tracks, horizon_s, self._config)
        stamp_ns = known.stamp_ns + round(horizon_s * 1e9)
        return listed(later, stamp_ns=stamp_ns, vocabulary=known.vocabulary, config=self._config)

    def _advance(self, boxes: Boxes3D, sight: Sight | None) -> TrackedObjects:
        """One more frame, newer than all before."""
        config, known, stamp_ns = self._config, self._known, boxes.stamp_ns
        self._history.remember(Past(boxes=boxes, sight=sight, before=known))
        dt_s = 0.0 if known.stamp_ns is None else (stamp_ns - known.stamp_ns) * 1e-9
        # the vocabulary only grows, and its order is that of the names
        vocabulary = tuple(sorted({*known.vocabulary, *boxes.classes}))
        probs = spread(known.tracks.class_probs, known.vocabulary, vocabulary=vocabulary)

        found = measurements_from_boxes(
            boxes, vocabulary=vocabulary, config=config, journal=self._journal
        )
        tracks = predict(replace(known.tracks, class_probs=probs), dt_s, config)
        tracks = tracks.only(~is_lost(tracks, config))
        chosen = associate(
            tracks, likelihood(tracks.class_probs, vocabulary, config), found, config
        )
        passage = Passage(stamp_ns=stamp_ns, dt_s=dt_s, vocabulary=vocabulary, sight=sight)
        tracks = after_frame(tracks, found, chosen, passage, config)
        free = np.delete(np.arange(len(found)), chosen[chosen >= 0])
        tracks = with_births(
            tracks, found.rows(free), stamp_ns=stamp_ns, config=config, journal=self._journal
        )
        self._known = Knowledge(tracks=tracks, vocabulary=vocabulary, stamp_ns=stamp_ns)
        return listed(tracks, stamp_ns=stamp_ns, vocabulary=vocabulary, config=config)

    def _starts_anew(self, stamp_ns: int, newest_ns: int) -> bool:
        back_s = (newest_ns - stamp_ns) * 1e-9
        if back_s > self._config.reset_s:
            detail = f"back by {back_s:.3f} s; {len(self._known.tracks)} objects forgotten"
            self._journal.count(Reason.STAMP_JUMP, stamp_ns=stamp_ns, detail=detail)
            self.reset()
            return True
        detail = f"{back_s * 1e3:.1f} ms before the newest frame"
        self._journal.count(Reason.STALE_STAMP, stamp_ns=stamp_ns, detail=detail)
        return False

    def _run_again(self, boxes: Boxes3D, sight: Sight | None, later: list[Past]) -> TrackedObjects:
        """Go back to before a late frame, use it, and then the later ones again."""
        self._known = later[0].before
        objects = self._advance(boxes, sight)
        journal, self._journal = self._journal, Journal()  # theirs is written already
        for one in later:
            objects = self._advance(one.boxes, one.sight)
        self._journal = journal
        return objects
