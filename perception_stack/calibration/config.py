"""Parameters of the calibration step."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationConfig(StepConfig):
    """Where the calibration of the rig lies, and how a camera is calibrated live."""

    camera_info_files: tuple[str, ...] = param((), "camera_info YAML files, one per camera.")
    camera_info_topics: tuple[str, ...] = param(
        ("camera_info",), "Topic of each camera's intrinsics, in the order of the files."
    )
    extrinsics_files: tuple[str, ...] = param((), "Extrinsics YAML files.")
    publish_period_s: float = param(
        1.0, "How often intrinsics are said again.", unit="s", low=0.1, high=60.0
    )
    live_board: str = param(
        "",
        "Board to calibrate the camera of topic image with, such as chessboard:9x6:0.025 (see "
        "docs/calibration.md); empty: only publish files.",
    )
    live_model: str = param(
        "auto",
        "Kind of camera; auto: what predicts held-out views best.",
        choices=("auto", "plumb_bob", "equidistant", "rational_polynomial"),
    )
    live_file: str = param(
        "", "camera_info YAML to write on save; empty: only the driver is told."
    )
    live_service: str = param(
        "set_camera_info", "Service of the camera's driver that takes the result on save."
    )
