"""Tracks that change their mind: what they are, whether they are, who they are."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from perception_stack.datatypes import UNKNOWN, FloatArray, TrackedObjects, TrackState
from perception_stack.watch.collect.config import FrameCollectorConfig
from perception_stack.watch.collect.interest import Interest, Why

_SWITCH_S = 0.5  # a lost identity is taken over within this time, or never


@dataclass(slots=True)
class _Track:
    """What is remembered of one track."""

    first_ns: int
    last_ns: int
    label: str
    existence: float  # at the last turn
    rising: int = 0
    confirmed: bool = False
    center_m: FloatArray = field(default_factory=lambda: np.zeros(3))
    velocity_mps: FloatArray = field(default_factory=lambda: np.zeros(3))
    flips_ns: deque[int] = field(default_factory=deque)
    turns_ns: deque[int] = field(default_factory=deque)


class FlickerWatch:
    """Follows the tracked list.

    Args:
        config: What counts as a change, and how many are a flicker.
    """

    def __init__(self, config: FrameCollectorConfig) -> None:
        self._config = config
        self._tracks: dict[UUID, _Track] = {}
        self._lost: deque[_Track] = deque(maxlen=100)

    def add(self, objects: TrackedObjects) -> list[Interest]:
        """One list; says which tracks flicker.

        A list older than the last one begins anew.
        """
        now_ns = objects.stamp_ns
        if any(one.last_ns > now_ns for one in self._tracks.values()):
            self._tracks.clear()
            self._lost.clear()
        found = []
        for gone in set(self._tracks) - set(objects.ids):
            track = self._tracks.pop(gone)
            self._lost.append(track)
            life_s = (track.last_ns - track.first_ns) / 1e9
            if track.confirmed and life_s < self._config.flicker_window_s:
                text = f"a confirmed {track.label} lived for {life_s:.2f} s"
                found.append(_interest("short life", text, now_ns))
        for row, identity in enumerate(objects.ids):
            if identity in self._tracks:
                found += self._follow(self._tracks[identity], objects, row)
            else:
                found += self._begin(identity, objects, row)
        return found

    def _begin(self, identity: UUID, objects: TrackedObjects, row: int) -> list[Interest]:
        now_ns, boxes = objects.stamp_ns, objects.boxes
        track = _Track(
            first_ns=now_ns,
            last_ns=now_ns,
            label=boxes.labels[row],
            existence=float(boxes.score[row]),
        )
        self._tracks[identity] = track
        _note(track, objects, row)
        for lost in self._lost:
            gap_s = (now_ns - lost.last_ns) / 1e9
            expected_m = lost.center_m + gap_s * lost.velocity_mps
            apart_m = float(np.linalg.norm(track.center_m - expected_m))
            same = lost.confirmed and lost.label == track.label
            if same and gap_s <= _SWITCH_S and apart_m <= self._config.switch_m:
                self._lost.remove(lost)
                text = f"a {track.label} got a new identity {apart_m:.2f} m from the old one"
                return [_interest("identity", text, now_ns)]
        return []

    def _follow(self, track: _Track, objects: TrackedObjects, row: int) -> list[Interest]:
        now_ns, found = objects.stamp_ns, []
        label, existence = objects.boxes.labels[row], float(objects.boxes.score[row])
        if label != track.label and UNKNOWN not in (label, track.label):
            track.flips_ns.append(now_ns)
            if self._is_twice(track.flips_ns, now_ns):
                text = f"an object is now {track.label}, now {label}"
                found.append(_interest(f"class {label}", text, now_ns))
        track.label = label
        change = existence - track.existence
        direction = int(np.sign(change))
        if direction == track.rising:
            track.existence = existence  # the last turn moves on with it
        elif abs(change) >= self._config.existence_swing:
            if track.rising:
                track.turns_ns.append(now_ns)
            track.rising, track.existence = direction, existence
            if self._is_twice(track.turns_ns, now_ns):
                text = f"the existence of a {label} goes up and down, now {existence:.2f}"
                found.append(_interest(f"existence {label}", text, now_ns))
        _note(track, objects, row)
        return found

    def _is_twice(self, stamps_ns: deque[int], now_ns: int) -> bool:
        """Whether it happened twice within the window; then the count begins anew."""
        window_ns = self._config.flicker_window_s * 1e9
        while stamps_ns and now_ns - stamps_ns[0] > window_ns:
            stamps_ns.popleft()
        if len(stamps_ns) < 2:
            return False
        stamps_ns.clear()
        return True


def _note(track: _Track, objects: TrackedObjects, row: int) -> None:
    track.last_ns = objects.stamp_ns
    track.confirmed |= bool(objects.state[row] == TrackState.CONFIRMED)
    track.center_m = objects.boxes.center_m[row]
    track.velocity_mps = objects.velocity_mps[row]


def _interest(about: str, text: str, stamp_ns: int) -> Interest:
    return Interest(why=Why.FLICKER, about=about, text=text, stamp_ns=stamp_ns)
