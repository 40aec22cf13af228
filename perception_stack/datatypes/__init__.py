"""What the steps hand to each other: frozen structures of arrays, checked when they are born.

Frame and stamp belong to the collection, once. Row ``i`` of every array of one collection speaks
of the same thing. An empty collection is a true answer ("nothing there"), never a failure.

Frames: bodies are x ahead, y left, z up; cameras are optical, x right, y down, z ahead (REP 103).
Time is an integer number of nanoseconds, that of the sensor.
"""

from perception_stack.datatypes.boxes import UNKNOWN, Boxes3D, Obstacles, OccupancyGrid
from perception_stack.datatypes.checks import FloatArray, check_array, check_rows, check_shape
from perception_stack.datatypes.grasps import Grasps, GraspSource, SceneObjects, ShapeKind
from perception_stack.datatypes.image import (
    Detections2D,
    ImageLabels,
    Keypoints2D,
    LabelImage,
    TrackedBoxes2D,
)
from perception_stack.datatypes.objects import FrameResult, Latency, TrackedObjects, TrackState
from perception_stack.datatypes.sensors import ColorImage, DepthImage, PointCloud

__all__ = [
    "UNKNOWN",
    "Boxes3D",
    "ColorImage",
    "DepthImage",
    "Detections2D",
    "FloatArray",
    "FrameResult",
    "GraspSource",
    "Grasps",
    "ImageLabels",
    "Keypoints2D",
    "LabelImage",
    "Latency",
    "Obstacles",
    "OccupancyGrid",
    "PointCloud",
    "SceneObjects",
    "ShapeKind",
    "TrackState",
    "TrackedBoxes2D",
    "TrackedObjects",
    "check_array",
    "check_rows",
    "check_shape",
]
