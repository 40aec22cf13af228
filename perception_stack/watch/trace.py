"""A recording followed from its first frame to its last: every value, every alarm, its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perception_stack.datatypes import FloatArray
from perception_stack.watch.drift import Alarm, DriftWatch
from perception_stack.watch.reference import Recording, Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One alarm.

    Attributes:
        first: Frame of its part at which it was set off, counted from 0.
        last: Frame at which it ended; the number of frames if it never did.
        alarm: What it said when it was set off.
    """

    first: int
    last: int
    alarm: Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What the watch made of one recording.

    Attributes:
        name: Of the recording.
        values: By part, float64 [N, F].
        events: Alarms in the order in which they came, part by part.
    """

    name: str
    values: Mapping[str, FloatArray]
    events: tuple[Event, ...]

    @property
    def num_frames(self) -> int:
        """Frames of the longest part."""
        return max(map(len, self.values.values()))


def follow(recording: Recording, reference: Reference) -> Trace:
    """Compare a recording with a reference."""
    events = []
    for part, values in recording.values.items():
        if part not in reference.usual:
            continue
        watch = DriftWatch(reference, (part,))
        running: dict[str, tuple[int, Alarm]] = {}
        for i, row in enumerate(values):
            new = watch.add(part, row, int(recording.stamps_ns[part][i]))
            now = {one.feature for one in watch.findings[0].alarms} if new or running else set()
            running |= {one.feature: (i, one) for one in new}
            for name in sorted(set(running) - now):
                first, alarm = running.pop(name)
                events.append(Event(first=first, last=i, alarm=alarm))
        events += [
            Event(first=first, last=len(values), alarm=alarm) for first, alarm in running.values()
        ]
    ordered = sorted(events, key=lambda one: (one.alarm.part, one.first, one.alarm.feature))
    return Trace(name=recording.name, values=recording.values, events=tuple(ordered))
