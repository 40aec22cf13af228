"""The configuration of the whole chain: one section per step, named as its node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from perception_stack.calibration.config import CalibrationConfig
from perception_stack.calibration.monitor.config import MonitorConfig
from perception_stack.config import StepConfig, config_from_params, load_params_file
from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.detection.config import DetectorConfig
from perception_stack.errors import ConfigError, UnknownParameterError
from perception_stack.fusion.config import FusionConfig
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.pillars.config import LidarNetworkConfig
from perception_stack.pose.config import PoseEstimatorConfig, PoseTrackerConfig
from perception_stack.tracking.image.config import ImageTrackerConfig
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.watch.collect.config import FrameCollectorConfig

# set by launch for all nodes at once; the offline chain has no clock to choose
_ROS_PARAMETERS = frozenset({"use_sim_time", "qos_overrides"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainConfig:
    """Every parameter of every step; the field names are the sections of a parameter file."""

    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    calibration_monitor: MonitorConfig = field(default_factory=MonitorConfig)
    lidar_detector: LidarDetectorConfig = field(default_factory=LidarDetectorConfig)
    lidar_network: LidarNetworkConfig = field(default_factory=LidarNetworkConfig)
    depth_detector: DepthDetectorConfig = field(default_factory=DepthDetectorConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    image_tracker: ImageTrackerConfig = field(default_factory=ImageTrackerConfig)
    pose_estimator: PoseEstimatorConfig = field(default_factory=PoseEstimatorConfig)
    pose_tracker: PoseTrackerConfig = field(default_factory=PoseTrackerConfig)
    grasp_planner: GraspPlannerConfig = field(default_factory=GraspPlannerConfig)
    frame_collector: FrameCollectorConfig = field(default_factory=FrameCollectorConfig)

    @classmethod
    def from_params(cls, params: Mapping[str, Any], *, where: str) -> ChainConfig:
        """Configuration from values nested by section.

        Raises:
            UnknownParameterError: a section or parameter that no step declares.
            ConfigError: a value of the wrong type or out of range.
        """
        sections = section_types()
        chosen: dict[str, StepConfig] = {}
        for name, values in params.items():
            if name in _ROS_PARAMETERS:
                continue
            if name not in sections:
                raise UnknownParameterError(name, sections, where=where)
            if not isinstance(values, Mapping):
                raise ConfigError(f"{where}: '{name}' must be a section, got {values!r}")
            chosen[name] = config_from_params(sections[name], values, where=f"{where}: {name}")
        return cls.of(chosen)

    @classmethod
    def of(cls, sections: Mapping[str, StepConfig]) -> ChainConfig:
        """Configuration of given sections; the others have their defaults."""
        return cls(**sections)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> ChainConfig:
        """Configuration from a ROS 2 parameter file.

        Raises:
            ConfigError: the file cannot be read or holds something that no step declares.
        """
        return cls.from_params(load_params_file(path), where=str(path))


def section_types() -> dict[str, type[StepConfig]]:
    """The configuration class of each section."""
    hints = get_type_hints(ChainConfig)
    return {one.name: hints[one.name] for one in fields(ChainConfig)}
