"""Data sets and results in the format of the BOP benchmark for 6-DoF object pose estimation.

https://github.com/thodan/bop_toolkit/blob/master/docs/bop_datasets_format.md. Lengths in the files
are millimetres, here metres; frames are ``camera``, the optical frame of the only camera.
"""

from perception_stack.io.bop.models import BopModel, read_models, write_library
from perception_stack.io.bop.regions import (
    Detected,
    Target,
    detections_of,
    read_detected,
    read_targets,
    true_boxes,
    true_masks,
)
from perception_stack.io.bop.results import BopResult, read_results, write_results
from perception_stack.io.bop.scenes import BopObject, BopScene, read_scene

__all__ = [
    "BopModel",
    "BopObject",
    "BopResult",
    "BopScene",
    "Detected",
    "Target",
    "detections_of",
    "read_detected",
    "read_models",
    "read_results",
    "read_scene",
    "read_targets",
    "true_boxes",
    "true_masks",
    "write_library",
    "write_results",
]
