"""How far edges of a scan lie off those of the image, frame by frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from perception_stack.calibration.monitor.reading import Reading
from perception_stack.calibration.target_free.image_edges import ImageEdges
from perception_stack.calibration.target_free.scan_edges import edges_in_view
from perception_stack.calibration.target_free.score import NUM_NUMBERS, NUM_POSE, EdgeFrame, Score
from perception_stack.calibration.target_free.search import climb, wrong_places
from perception_stack.calibration.target_free.view import Resampler
from perception_stack.datatypes import ColorImage, FloatArray, PointCloud
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform

NAMES = ("turn about x", "turn about y", "turn about z", "shift along x", "along y", "along z")
"""Of a reading's values, about and along the camera's axes; rad and m."""
FLOOR: FloatArray = np.repeat([np.deg2rad(0.03), 0.004], 3)

_UNITS = np.repeat([np.deg2rad(1.0), 0.1], 3)
# at 0.4 degrees readings scatter half as much again, and what 0.2 loses of large bumps is little
_BLUR_RAD = float(np.deg2rad(0.25))
_FINEST_RAD = float(np.deg2rad(0.1))
_NUM_POSES = 32
_MARGIN_RAD = np.deg2rad(2.0)
_FEWEST, _LEAST = 150, 12.0


class AlignmentWatch:
    """Reads the pose of the LiDAR in the camera off single frames, starting at the calibration.

    Args:
        camera: Of the images.
        camera_from_lidar: The calibration that is watched.
    """

    def __init__(self, camera: CameraModel, camera_from_lidar: RigidTransform) -> None:
        self._resampler = Resampler(camera, finest_rad=_FINEST_RAD)
        self._pose = camera_from_lidar
        self._wrong = wrong_places(_NUM_POSES, seed=0)

    def read(self, image: ColorImage, cloud: PointCloud) -> Reading:
        """Six numbers, by which the pose would have to be moved; see :data:`NAMES`.

        The prior pulls what one frame hardly tells towards zero, one sigma being one degree or
        10 cm.
        """
        view = self._resampler.look(image)
        if not view.inside.any():
            return Reading.none("the image is empty")
        # one frame does not tell a speed beside the pose
        at_once = replace(cloud, time_offset_s=None)
        edges = edges_in_view(at_once, view, self._pose, margin_rad=_MARGIN_RAD)
        if len(edges) < _FEWEST:
            return Reading.none(f"{len(edges)} edges in the scan, {_FEWEST} are needed")
        frame = EdgeFrame(image=ImageEdges(view), edges=edges)
        score = Score([frame], start=self._pose, blur_rad=_BLUR_RAD, units=_UNITS)
        score.learn_spread(self._wrong)
        found = climb(score, np.zeros(NUM_NUMBERS), prior=1.0)
        if found.value < _LEAST:
            return Reading.none(
                f"scan and image agree by {found.value:.0f}, {_LEAST:.0f} are needed"
            )
        return Reading(values=found.place[:NUM_POSE] * _UNITS)
