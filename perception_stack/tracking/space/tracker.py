"""The tracker: one list of objects over time, out of the detections of each frame."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import numpy as np

from perception_stack.datatypes import UNKNOWN, Boxes3D, TrackedObjects
from perception_stack.errors import FrameMismatchError
from perception_stack.journal import Journal, Reason
from perception_stack.tracking.common.assignment import IntArray
from perception_stack.tracking.common.classes import spread
from perception_stack.tracking.common.left_out import starts_anew
from perception_stack.tracking.space.association import associate
from perception_stack.tracking.space.births import with_births
from perception_stack.tracking.space.camera_view import (
    CameraView,
    lifted,
    rectangles_of,
    trial_view,
)
from perception_stack.tracking.space.clock import Clock, set_to_detections
from perception_stack.tracking.space.config import TrackerConfig, numbers
from perception_stack.tracking.space.evidence import Passage, after_boxes
from perception_stack.tracking.space.history import Frame, History, Knowledge, Past
from perception_stack.tracking.space.image_evidence import after_image
from perception_stack.tracking.space.listing import listed
from perception_stack.tracking.space.measurements import Measurements, measurements_from_boxes
from perception_stack.tracking.space.motion import carry_on, predict
from perception_stack.tracking.space.sight import Sight
from perception_stack.tracking.space.tracks import Tracks, no_tracks

_NOTHING: IntArray = np.empty(0, dtype=np.intp)


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
        self._parameters = numbers(config)
        self._journal = journal
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._known = Knowledge(tracks=no_tracks(1), vocabulary=(UNKNOWN,))
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
        # the second of two in one place is looked at more closely
        for stamp_ns, num in enumerate((1, 2, 0)):
            trial.update(replace(two.rows(np.arange(num)), stamp_ns=stamp_ns), sight=sight)
        if config.image_topics:
            trial.update_image(trial_view(config.fixed_frame, stamp_ns=3))

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
        return self.take(Frame(seen=boxes, sight=sight))

    def update_image(self, view: CameraView) -> TrackedObjects | None:
        """The tracked list after the detections of one image, also when there were none.

        Objects are corrected in direction, become surer and are told by their class; what no
        object explains starts one, as far away as things of its class usually are that high.

        Args:
            view: Detections, and where the camera was in the fixed frame.

        Returns:
            As :meth:`update`. An image may have the stamp of the boxes that came before it.

        Raises:
            FrameMismatchError: the place of the camera is not in the configuration's fixed frame.
        """
        return self.take(Frame(seen=view))

    def take(self, frame: Frame) -> TrackedObjects | None:
        """The tracked list after one more frame of any sensor; see the two above.

        Raises:
            FrameMismatchError: the boxes, or the place of the camera, are not in the
                configuration's fixed frame.
        """
        expected, received = self._config.fixed_frame, frame.fixed_frame
        if received != expected:
            raise FrameMismatchError("detections to track", expected=expected, received=received)
        newest = self._known.when
        if newest is not None and frame.when <= newest:
            later = self._history.taken_back(frame.when)
            if later:
                return self._run_again(frame, later)
            if not starts_anew(
                frame.when[0],
                newest[0],
                self._config,
                self._journal,
                num_objects=len(self._known.tracks),
            ):
                return None
            self.reset()
        return self._advance(frame)

    @property
    def known(self) -> Knowledge:
        """Everything known at the newest stamp, also what is not listed."""
        return self._known

    @property
    def recent(self) -> list[Knowledge]:
        """What was known after each frame within the horizon for late ones, and is known now."""
        past = [one.before for one in self._history.frames[1:]]
        return [*past, self._known] if self._known.stamp_ns is not None else []

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
        later = predict(known.tracks, known.step_s(horizon_s), self._parameters)
        stamp_ns = known.stamp_ns + round(horizon_s * 1e9)
        return self._listed(later, stamp_ns, known.vocabulary)

    def _advance(self, frame: Frame) -> TrackedObjects:
        """One more frame, newer than all before."""
        known, parameters = self._known, self._parameters
        stamp_ns, _, source = frame.when
        self._history.remember(Past(frame=frame, before=known))
        before_ns = stamp_ns if known.stamp_ns is None else known.stamp_ns
        seen = frame.seen
        names = seen.detections.labels if isinstance(seen, CameraView) else seen.classes
        passage = Passage(
            stamp_ns=stamp_ns,
            dt_s=(stamp_ns - before_ns) * 1e-9,
            looked_s=(stamp_ns - known.looked_ns.get(source, stamp_ns)) * 1e-9,
            # it only grows, and its order is that of the names
            vocabulary=tuple(sorted({*known.vocabulary, *names})),
        )
        tracks = known.tracks
        if passage.vocabulary != known.vocabulary:
            probs = spread(tracks.class_probs, known.vocabulary, vocabulary=passage.vocabulary)
            tracks = replace(tracks, class_probs=probs)
        offset_s, clocks = 0.0, known.clocks
        if not isinstance(seen, CameraView):
            before = clocks.get(source)
            clock = (
                Clock.new(self._config.stamp_noise_s)
                if before is None
                else before.after(passage.looked_s)
            )
            # where nothing was detected there is nothing to be set to
            offset_s = clock.ahead_s if len(seen) else 0.0
        step_s = known.step_s(passage.dt_s + offset_s)
        if passage.dt_s == 0:  # frames of one stamp were taken at one time
            step_s, offset_s = 0.0, known.offset_s
        tracks = carry_on(tracks, step_s, parameters)
        image_rows: dict[UUID, int] = {}
        if isinstance(seen, CameraView):
            tracks, found, image_rows = self._learn_image(tracks, seen, passage)
            chosen = _NOTHING
        else:
            found = measurements_from_boxes(
                seen,
                vocabulary=passage.vocabulary,
                parameters=parameters,
                journal=self._journal,
            )
            tracks, chosen, further_s = self._learn_boxes(
                tracks, found, passage, (frame.sight, clock)
            )
            offset_s, clocks = offset_s + further_s, {**clocks, source: clock}
        tracks = with_births(
            tracks,
            found,
            chosen,
            when=frame.when,
            config=self._config,
            parameters=parameters,
            journal=self._journal,
        )
        self._known = Knowledge(
            tracks=tracks,
            vocabulary=passage.vocabulary,
            when=frame.when,
            looked_ns={**known.looked_ns, source: stamp_ns},
            offset_s=offset_s,
            clocks=clocks,
            image_rows=image_rows,
        )
        return self._listed(tracks, stamp_ns, passage.vocabulary)

    def _learn_boxes(
        self,
        tracks: Tracks,
        found: Measurements,
        passage: Passage,
        seen_by: tuple[Sight | None, Clock],
    ) -> tuple[Tracks, IntArray, float]:
        """Tracks after boxes; the boxes that tracks explain; how late they were by motion."""
        parameters, (sight, clock) = self._parameters, seen_by
        chosen = associate(
            (tracks.table, tracks.class_probs),
            (found.table, found.class_probs),
            passage.unknown,
            clock.variance_s2,
            parameters,
        )
        late_s = set_to_detections(tracks.table, found.table, chosen, clock.state, parameters)
        after = after_boxes(tracks, found, chosen, passage, parameters, sight=sight)
        return after, chosen, late_s

    def _learn_image(
        self, tracks: Tracks, view: CameraView, passage: Passage
    ) -> tuple[Tracks, Measurements, dict[UUID, int]]:
        """Tracks after an image, unexplained detections put into space, and who was detected."""
        config, vocabulary = self._config, passage.vocabulary
        found = rectangles_of(view, vocabulary)
        self._journal.count(
            Reason.NON_FINITE_BOXES,
            stamp_ns=view.stamp_ns,
            detail="rectangles that are inside out or have impossible values were left out",
            num=len(view.detections) - len(found),
        )
        tracks, chosen, overlap = after_image(tracks, found, view, passage, self._parameters)
        is_free = overlap <= config.image_overlap
        self._journal.count(
            Reason.DUPLICATE,
            stamp_ns=view.stamp_ns,
            detail=f"overlaps an object in the image by more than {config.image_overlap}",
            num=int(np.sum(~is_free)) - int(np.sum(~is_free[chosen[chosen >= 0]])),
        )
        is_free[chosen[chosen >= 0]] = False
        rows = {tracks.ids[n]: int(found.rows[m]) for n, m in enumerate(chosen.tolist()) if m >= 0}
        return tracks, lifted(found.only(is_free), view, vocabulary, config), rows

    def _run_again(self, frame: Frame, later: list[Past]) -> TrackedObjects:
        """Go back to before a late frame, use it, and then the later ones again."""
        self._known = later[0].before
        objects = self._advance(frame)
        journal, self._journal = self._journal, Journal()  # theirs is written already
        for one in later:
            objects = self._advance(one.frame)
        self._journal = journal
        return objects

    def _listed(
        self, tracks: Tracks, stamp_ns: int, vocabulary: tuple[str, ...]
    ) -> TrackedObjects:
        return listed(
            tracks,
            frame_id=self._config.fixed_frame,
            stamp_ns=stamp_ns,
            vocabulary=vocabulary,
            parameters=self._parameters,
        )
