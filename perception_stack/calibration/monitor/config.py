"""Parameters of the calibration monitor."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorConfig(StepConfig):
    """How patient the monitor is."""

    base_frame: str = param("base_link", "Level frame of the robot.")
    period_s: float = param(
        0.2, "Least time between two frames that are looked at.", unit="s", low=0.0, high=60.0
    )
    pair_tolerance_s: float = param(
        0.02, "Farthest an image may be from a scan.", unit="s", low=0.0, high=0.5
    )
    learn_frames: int = param(
        150, "Frames from which the usual readings are learnt.", low=20, high=10000
    )
    false_alarm_hours: float = param(
        100.0, "Mean time to a false alarm of each watch, by design.", unit="h", low=0.1, high=1e5
    )
    lasting_frames: int = param(
        5, "Frames in a row at the limit until a move is believed.", low=1, high=1000
    )
    blind_frames: int = param(
        25, "Frames in a row without a reading after which the watch says so.", low=1, high=10000
    )
    stereo: bool = param(
        False, "Whether right_image is watched against image, by their epipolar error."
    )
