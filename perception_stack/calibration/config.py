"""Parameters of the calibration step."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationConfig(StepConfig):
    """Where the calibration of the rig lies."""

    camera_info_files: tuple[str, ...] = param((), "camera_info YAML files, one per camera.")
    camera_info_topics: tuple[str, ...] = param(
        ("camera_info",), "Topic of each camera's intrinsics, in the order of the files."
    )
    extrinsics_files: tuple[str, ...] = param((), "Extrinsics YAML files.")
    publish_period_s: float = param(
        1.0, "How often intrinsics are said again.", unit="s", low=0.1, high=60.0
    )
