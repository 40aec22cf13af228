"""Where the sensors of one frame of fusion were, each at its own stamp."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from perception_stack.datatypes import Boxes3D, Detections2D, FloatArray, Obstacles
from perception_stack.errors import TransformUnavailableError
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.sight import CameraView
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat


class FusionFrame(NamedTuple):
    """What belongs together.

    Attributes:
        obstacles: Of the sensor that leads.
        detections: Of each camera that looked at it, by name.
        depth: What a depth camera found, in its own frame; None where none did or it leads itself.
    """

    obstacles: Obstacles
    detections: dict[str, Detections2D]
    depth: Boxes3D | None


class Placement(NamedTuple):
    """Where the sensors of a frame were.

    Attributes:
        views: What each camera contributes.
        obstacles_from_depth: None where no depth camera takes part.
    """

    views: list[CameraView]
    obstacles_from_depth: RigidTransform | None


class SensorPlacement:
    """Looks up where each sensor was at its own stamp; ego motion between the stamps enters.

    Args:
        config: Offsets of the cameras' clocks, and the frame in which the world stands still.
        frames: Where the sensors are.
        cameras: Intrinsics by camera name, also of those not known yet.
    """

    def __init__(
        self, config: FusionConfig, frames: FrameTree, cameras: Mapping[str, CameraModel]
    ) -> None:
        self._fixed_frame = config.fixed_frame
        self._offset_ns = {
            name: round(offset_s * 1e9) for name, offset_s in config.cameras_with_offset_s
        }
        self._labels = {name: config.camera_label(name) for name in config.camera_names}
        self._frames = frames
        self._cameras = cameras

    def find(self, frame: FusionFrame) -> Placement:
        """All sensors of a frame.

        Raises:
            TransformUnavailableError: one of them is not known (yet).
        """
        views = [self._view(name, frame) for name in frame.detections]
        return Placement(views, self._obstacles_from_depth(frame))

    def find_some(self, frame: FusionFrame) -> Placement:
        """Those sensors of a frame that are known."""
        views = []
        for name in frame.detections:
            with suppress(TransformUnavailableError):
                views.append(self._view(name, frame))
        with suppress(TransformUnavailableError):
            return Placement(views, self._obstacles_from_depth(frame))
        return Placement(views, None)

    def up(self, obstacles: Obstacles) -> FloatArray:
        """Away from the ground: as the boxes stand, else by the fixed frame, else the frame's z.

        Returns:
            float64 [3], unit, in the frame of the obstacles.
        """
        if len(obstacles.boxes):
            axes = matrix_from_quat(obstacles.boxes.quat_xyzw)[:, :, 2].mean(axis=0)
            up: FloatArray = axes / np.linalg.norm(axes)
            return up
        with suppress(TransformUnavailableError):
            fixed_from_obstacles = self._frames.lookup(
                self._fixed_frame, obstacles.frame_id, obstacles.stamp_ns
            )
            gravity: FloatArray = fixed_from_obstacles.rotation[2]
            return gravity
        return np.array([0.0, 0.0, 1.0])

    def _view(self, name: str, frame: FusionFrame) -> CameraView:
        camera, detections, obstacles = (
            self._cameras[name],
            frame.detections[name],
            frame.obstacles,
        )
        return CameraView(
            name=self._labels[name],
            camera=camera,
            detections=detections,
            camera_from_obstacles=self._frames.lookup_between(
                camera.frame_id,
                detections.stamp_ns + self._offset_ns[name],
                obstacles.frame_id,
                obstacles.stamp_ns,
                fixed=self._fixed_frame,
            ),
        )

    def _obstacles_from_depth(self, frame: FusionFrame) -> RigidTransform | None:
        if frame.depth is None:
            return None
        return self._frames.lookup_between(
            frame.obstacles.frame_id,
            frame.obstacles.stamp_ns,
            frame.depth.frame_id,
            frame.depth.stamp_ns,
            fixed=self._fixed_frame,
        )
