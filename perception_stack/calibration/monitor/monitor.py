"""Joins the watches of one robot, and says which sensor and which axis has likely moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.calibration.monitor import alignment_watch, ground_watch, stereo_watch
from perception_stack.calibration.monitor.change import ChangeDetector, State
from perception_stack.calibration.monitor.config import MonitorConfig
from perception_stack.calibration.monitor.reading import Reading

CAMERA_LIDAR, GROUND, STEREO = "camera-lidar", "ground", "stereo"
_NAMES: dict[str, Sequence[str]] = {
    CAMERA_LIDAR: alignment_watch.NAMES,
    GROUND: ground_watch.NAMES,
    STEREO: stereo_watch.NAMES,
}
_FLOORS = {
    CAMERA_LIDAR: alignment_watch.FLOOR,
    GROUND: ground_watch.FLOOR,
    STEREO: stereo_watch.FLOOR,
}
_METRES = {"shift along x", "along y", "along z", "height"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one watch says.

    Attributes:
        watch: Its name.
        state: What is known of the mount.
        level: How close the sum is to the limit, where a move is believed if it lasts.
        text: In words.
    """

    watch: str
    state: State
    level: float
    text: str


class CalibrationMonitor:
    """Change detectors of several watches.

    Args:
        watches: Names, of :data:`CAMERA_LIDAR`, :data:`GROUND`, :data:`STEREO`.
        config: How patient they are.
    """

    def __init__(self, watches: Sequence[str], config: MonitorConfig) -> None:
        period_s = max(config.period_s, 0.01)
        self._detectors = {
            name: ChangeDetector(
                len(_NAMES[name]),
                learn=config.learn_frames,
                readings_per_false_alarm=config.false_alarm_hours * 3600 / period_s,
                lasting=config.lasting_frames,
                blind_after=config.blind_frames,
                floor=_FLOORS[name],
            )
            for name in watches
        }

    def add(self, readings: Mapping[str, Reading]) -> list[Finding]:
        """Take in the readings of one frame; returns what each watch says now."""
        for name, reading in readings.items():
            self._detectors[name].add(reading)
        return self.findings()

    def findings(self) -> list[Finding]:
        """What each watch says."""
        return [
            Finding(watch=name, state=one.state, level=one.level, text=self._text(name, one))
            for name, one in self._detectors.items()
        ]

    def reset(self) -> None:
        """Learn anew, as after a new calibration."""
        for one in self._detectors.values():
            one.reset()

    def _text(self, name: str, detector: ChangeDetector) -> str:
        if detector.state is State.BLIND:
            return f"cannot judge: {detector.why_not}"
        if detector.state is not State.MOVED:
            return str(detector.state.value)
        shift, std = detector.shift, detector.std
        axis = int(np.argmax(np.abs(shift) / std))
        amount = (
            f"{100 * shift[axis]:+.1f} cm"
            if _NAMES[name][axis] in _METRES
            else f"{np.rad2deg(shift[axis]):+.2f} degrees"
        )
        return f"{self._suspect(name)} has moved, mostly {_NAMES[name][axis]}: {amount}"

    def _suspect(self, name: str) -> str:
        """Who it is: a sensor that two watches share, if both say so."""
        moved = {one for one, other in self._detectors.items() if other.state is State.MOVED}
        if GROUND in moved:
            return "the LiDAR"
        if {CAMERA_LIDAR, STEREO} <= moved:
            return "the left camera"
        if name == STEREO:
            return (
                "one of the cameras, more likely the right one"
                if (CAMERA_LIDAR in self._detectors)
                else "one of the cameras"
            )
        if name == CAMERA_LIDAR and GROUND in self._detectors:
            return "the camera, or the LiDAR in a way that the ground does not show,"
        return "camera or LiDAR"
