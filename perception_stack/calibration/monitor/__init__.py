"""Whether sensors still sit where their calibration says, watched while the robot works."""

from perception_stack.calibration.monitor.alignment_watch import AlignmentWatch
from perception_stack.calibration.monitor.change import ChangeDetector, State
from perception_stack.calibration.monitor.config import MonitorConfig
from perception_stack.calibration.monitor.ground_watch import GroundWatch
from perception_stack.calibration.monitor.monitor import CalibrationMonitor, Finding
from perception_stack.calibration.monitor.reading import Reading
from perception_stack.calibration.monitor.stereo_watch import StereoWatch

__all__ = [
    "AlignmentWatch",
    "CalibrationMonitor",
    "ChangeDetector",
    "Finding",
    "GroundWatch",
    "MonitorConfig",
    "Reading",
    "State",
    "StereoWatch",
]
