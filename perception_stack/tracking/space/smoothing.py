"""Frames seen from later: the tracker's model run backwards (Rauch, Tung, Striebel).

A detection that was too weak to start with, a gap that was bridged later, a size that was seen
only from near: all is told by the track as it went on. For labelling and evaluation from the end
of a whole recording; for maps and slow decisions from a fixed time later, as the frames come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, TrackedObjects
from perception_stack.geometry.compiled import machine_code
from perception_stack.journal import Journal
from perception_stack.tracking.common.classes import spread
from perception_stack.tracking.common.config import Parameters
from perception_stack.tracking.space.config import TrackerConfig, numbers
from perception_stack.tracking.space.filter import add_step
from perception_stack.tracking.space.history import Frame, Knowledge
from perception_stack.tracking.space.listing import listed
from perception_stack.tracking.space.motion import carry, predict, transition
from perception_stack.tracking.space.tracker import Tracker
from perception_stack.tracking.space.tracks import NUM_STATES, Tracks, TrackTable, copied
from perception_stack.tracking.space.turns import (
    cholesky,
    swap_sides,
    turn_by_quarters,
    write_turn_between,
)

_LEAST_DETECTIONS = 4  # what was seen less often in all its life was nothing
_SPARE_S = 1e-3  # a frame as old as the lag must still be there


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """What is known of one frame in the end.

    Attributes:
        objects: The tracked list.
        image_rows: Row of the detection of each object that the frame, an image, saw.
    """

    objects: TrackedObjects
    image_rows: dict[UUID, int]


def smoothed(frames: Iterable[Frame], config: TrackerConfig, journal: Journal) -> list[Hindsight]:
    """The tracked list of each frame of a recording, with the use of all frames.

    An object is listed as by the tracker, only that its existence is the highest believed then
    or later, and that its class is the one believed last.

    Args:
        frames: Of all sensors, in order of time; one that is not newer than all before is left
            out, as by the tracker.
        config: Of the tracker.
        journal: Told of everything left out.

    Returns:
        One entry for each frame that was not left out.
    """
    tracker = Tracker(config, journal)
    past = [tracker.known for frame in frames if tracker.take(frame) is not None]
    return _seen_from_the_end(past, config)


class FixedLagSmoother:
    """The tracked list of some time ago, with the use of all that came since.

    Args:
        config: Of the tracker.
        journal: Told of everything left out.
        lag_s: How long ago, in seconds; above 0.
    """

    def __init__(self, config: TrackerConfig, journal: Journal, *, lag_s: float) -> None:
        # frames that are late are used as long as their time is not listed yet
        self._config = replace(
            config, reorder_horizon_s=max(config.reorder_horizon_s, lag_s + _SPARE_S)
        )
        self._tracker = Tracker(self._config, journal)
        self._lag_ns = round(lag_s * 1e9)
        self._listed_ns: int | None = None

    def take(self, frame: Frame) -> list[Hindsight]:
        """What one more frame settles: frames not listed yet that are older than the lag.

        Raises:
            FrameMismatchError: see :meth:`Tracker.take`.
        """
        newest = self._tracker.known.stamp_ns
        if self._tracker.take(frame) is None:
            return []
        now_ns = _stamp_ns(self._tracker.known)
        if newest is not None and now_ns < newest:  # it began anew
            self._listed_ns = None
        return self._settled(now_ns - self._lag_ns)

    def flush(self) -> list[Hindsight]:
        """The frames not listed yet; nothing more will come."""
        known = self._tracker.known
        return [] if known.stamp_ns is None else self._settled(known.stamp_ns)

    def _settled(self, until_ns: int) -> list[Hindsight]:
        recent = self._tracker.recent
        waiting = [
            index
            for index, known in enumerate(recent)
            if self._listed_ns is None or _stamp_ns(known) > self._listed_ns
        ]
        if not waiting or _stamp_ns(recent[waiting[0]]) > until_ns:
            return []
        found = _seen_from_the_end(recent[waiting[0] :], self._config)
        settled = [one for one in found if one.objects.stamp_ns <= until_ns]
        self._listed_ns = settled[-1].objects.stamp_ns
        return settled


def _seen_from_the_end(past: Sequence[Knowledge], config: TrackerConfig) -> list[Hindsight]:
    """Successive frames, each with what is known after the last one."""
    num_detections: dict[UUID, int] = {}
    for known in past:
        num_detections.update(zip(known.tracks.ids, known.tracks["num_detections"], strict=True))
    vocabulary = past[-1].vocabulary if past else ()
    results: list[Hindsight] = []
    parameters = numbers(config)
    later: Knowledge | None = None
    for known in reversed(past):
        probs = spread(known.tracks.class_probs, known.vocabulary, vocabulary=vocabulary)
        tracks = replace(known.tracks, class_probs=probs)
        here = replace(known, tracks=tracks, vocabulary=vocabulary)
        later = here if later is None else _with_hindsight(here, later, parameters)
        often = [num_detections[one] >= _LEAST_DETECTIONS for one in later.tracks.ids]
        objects = listed(
            later.tracks.kept(np.flatnonzero(often)),
            frame_id=config.fixed_frame,
            stamp_ns=_stamp_ns(later),
            vocabulary=vocabulary,
            parameters=parameters,
        )
        results.append(Hindsight(objects=objects, image_rows=known.image_rows))
    return results[::-1]


def _stamp_ns(known: Knowledge) -> int:
    if known.stamp_ns is None:
        raise RuntimeError("what is known has no stamp before the first frame")
    return known.stamp_ns


def _with_hindsight(frame: Knowledge, later: Knowledge, parameters: Parameters) -> Knowledge:
    """A frame, corrected by what is known of the next one."""
    row_of = {one: row for row, one in enumerate(later.tracks.ids)}
    goes_on = np.flatnonzero([one in row_of for one in frame.tracks.ids])
    if len(goes_on) == 0:
        return frame
    here = frame.tracks.rows(goes_on)
    there = later.tracks.rows(np.array([row_of[one] for one in here.ids], dtype=np.intp))
    dt_s = (_stamp_ns(later) - _stamp_ns(frame)) * 1e-9 + later.offset_s - frame.offset_s
    corrected = replace(
        _corrected(here, there, dt_s, parameters), class_probs=there.class_probs
    ).with_values(
        log_odds=np.maximum(here["log_odds"], there["log_odds"]),
        confirmed=there["confirmed"],
        heading=there["heading"],
    )
    return replace(frame, tracks=_with_rows(frame.tracks, goes_on, corrected))


def _with_rows(tracks: Tracks, index: NDArray[np.intp], rows: Tracks) -> Tracks:
    """Tracks with other values for some."""
    table, class_probs = copied(tracks.table), tracks.class_probs.copy()
    table[index], class_probs[index] = rows.table, rows.class_probs
    return replace(tracks, table=table, class_probs=class_probs)


def _corrected(here: Tracks, there: Tracks, dt_s: float, parameters: Parameters) -> Tracks:
    """Tracks, given the same ones at the next frame with all that came later.

    With F the step to the next frame: gain ``G = P F' (F P F' + Q)^-1``, state ``x + G (x_later -
    F x)``, covariance ``P + G (P_later - F P F' - Q) G'``. Boxes are named as in the end.
    """
    expected, table = predict(here, dt_s, parameters), copied(here.table)
    move_back(table, expected.table, there.table, dt_s, parameters)
    return replace(here, table=table)


@machine_code
def _smoothing_gain(
    covariance: FloatArray, expected: FloatArray, dt_s: float, memory_s: float, gain: FloatArray
) -> None:
    """Write ``P F' (F P F' + Q)^-1`` of one track, by triangular factors."""
    factor, step = expected.copy(), transition(dt_s, memory_s)
    cholesky(factor, NUM_STATES)
    for row in range(NUM_STATES):
        gain[row] = covariance[row]
        carry(gain[row], dt_s, step)
        for j in range(NUM_STATES):
            for k in range(j):
                gain[row, j] -= factor[j, k] * gain[row, k]
            gain[row, j] /= factor[j, j]
        for j in range(NUM_STATES - 1, -1, -1):
            for k in range(j + 1, NUM_STATES):
                gain[row, j] -= factor[k, j] * gain[row, k]
            gain[row, j] /= factor[j, j]


@machine_code
def move_back(
    here: TrackTable,
    expected: TrackTable,
    later: TrackTable,
    dt_s: float,
    parameters: Parameters,
) -> None:
    """Correct tracks by hindsight, in place; see :func:`_corrected`.

    Args:
        here: As they were known; boxes are named as in ``later`` afterwards.
        expected: The same, predicted for the next frame.
        later: At the next frame, with hindsight.
        dt_s: Time step.
        parameters: All of them.
    """
    p = parameters[0]
    gain, missed = np.empty((NUM_STATES, NUM_STATES)), np.empty(NUM_STATES)
    for n in range(len(here)):
        t, e, s = here[n], expected[n], later[n]
        _smoothing_gain(t.covariance, e.covariance, dt_s, p.acceleration_memory_s, gain)
        named, size, variance = s.quat_xyzw.copy(), s.size_lwh_m.copy(), s.size_variance_m2.copy()
        if turn_by_quarters(named, e.quat_xyzw) % 2 == 1:
            swap_sides(size)
            swap_sides(variance)
        write_turn_between(e.quat_xyzw, named, missed[3:6])
        for i in range(3):
            missed[i] = s.center_m[i] - e.center_m[i]
            missed[12 + i] = s.acceleration_mps2[i] - e.acceleration_mps2[i]
        for i in range(6):
            missed[6 + i] = s.twist[i] - e.twist[i]
        add_step(t, gain @ missed)
        t.covariance[:] += gain @ (s.covariance - e.covariance) @ gain.T
        for i in range(3):
            share = t.size_variance_m2[i] / e.size_variance_m2[i]
            t.size_lwh_m[i] += share * (size[i] - t.size_lwh_m[i])
            t.size_variance_m2[i] += share**2 * (variance[i] - e.size_variance_m2[i])
        if turn_by_quarters(t.quat_xyzw, s.quat_xyzw) % 2 == 1:
            swap_sides(t.size_lwh_m)
            swap_sides(t.size_variance_m2)
