"""6-DoF poses of known objects in a depth image, one for each detection that has a mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_stack.datatypes import (
    Boxes3D,
    DepthImage,
    Detections2D,
    FloatArray,
    check_shape,
)
from perception_stack.errors import FrameMismatchError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import quat_from_matrix
from perception_stack.journal import Journal, Reason
from perception_stack.pose.config import PoseEstimatorConfig
from perception_stack.pose.models import ObjectModel, load_models
from perception_stack.pose.region import object_points
from perception_stack.pose.search import LAST_LIMIT, Region, find_pose
from perception_stack.pose.surface import thinned_means
from perception_stack.pose.uncertainty import covariance_of

SENSORS = ("camera", "depth")


class PoseEstimator:
    """Many guesses, aligned to the depth points and checked against the depth image.

    Args:
        config: Parameters; ``mesh_dir`` holds the known objects.
        journal: Told why a detection got no pose.

    Raises:
        DataFileError: the folder of meshes or one of them cannot be used.
        ConfigError: ``mesh_scale`` makes an object of impossible size.
        ModelLoadError: Open3D, which reads meshes, is not installed.
    """

    def __init__(self, config: PoseEstimatorConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._models = load_models(
            Path(config.mesh_dir).expanduser(),
            scale=config.mesh_scale,
            resolution=config.resolution,
        )

    def estimate(
        self, detections: Detections2D, depth: DepthImage, *, camera: CameraModel
    ) -> Boxes3D:
        """Poses of the meshes' frames, at the stamp of the depth image.

        Args:
            detections: Of the image that the depth is registered to.
            depth: Depth image.
            camera: Of both.

        Returns:
            One box per pose found, in the camera's frame, in the order of the detections: centre
            and orientation are the mesh's frame; ``score`` in [0, 1] is the share of its visible
            surface that the depth image confirms, times the share of the box that it fills.

        Raises:
            FrameMismatchError: detections, depth image and camera are of different frames.
            ShapeError: the depth image is not of the camera's size.
        """
        for what, frame_id in (
            ("detections", detections.frame_id),
            ("depth image", depth.frame_id),
        ):
            if frame_id != camera.frame_id:
                raise FrameMismatchError(what, expected=camera.frame_id, received=frame_id)
        check_shape("depth_m", depth.depth_m, camera.height_px, camera.width_px)
        found = []
        for row, label in enumerate(detections.labels):
            model = self._models.get(label)
            if model is None:
                self._drop(depth, Reason.NO_MESH, f"no mesh for class '{label}'")
                continue
            pose = self._pose(model, detections.xyxy_px[row], depth, camera)
            if pose is not None:
                found.append((model, *pose))
        return _boxes(depth, found)

    def _pose(
        self, model: ObjectModel, xyxy_px: FloatArray, depth: DepthImage, camera: CameraModel
    ) -> tuple[FloatArray, FloatArray, float] | None:
        """Pose, covariance and score of one detection; None, and the reason noted, without."""
        config = self._config
        points_m = object_points(
            depth.depth_m,
            xyxy_px,
            camera,
            diameter_m=model.diameter_m,
            border=config.border,
            noise_m=config.depth_noise_m,
        )
        if len(points_m) < config.min_points:
            detail = f"{model.name}: {len(points_m)} depth pixels, {config.min_points} needed"
            self._drop(depth, Reason.NO_DEPTH, detail)
            return None
        seen_m = thinned_means(points_m, model.surface.spacing_m)
        pose, score = find_pose(
            model,
            Region(seen_m=seen_m, xyxy_px=xyxy_px, depth_m=depth.depth_m, camera=camera),
            num_orientations=config.num_orientations,
            num_refined=config.num_refined,
        )
        if score < config.min_score:
            detail = f"{model.name}: score {score:.2f}, {config.min_score:.2f} needed"
            self._drop(depth, Reason.POSE_NOT_FOUND, detail)
            return None
        covariance = covariance_of(
            model,
            seen_m,
            pose,
            limit_m=LAST_LIMIT * model.diameter_m,
            noise_m=config.depth_noise_m,
        )
        return pose, covariance, score

    def _drop(self, depth: DepthImage, reason: Reason, detail: str) -> None:
        self._journal.count(reason, stamp_ns=depth.stamp_ns, detail=detail)


def _boxes(
    depth: DepthImage, found: list[tuple[ObjectModel, FloatArray, FloatArray, float]]
) -> Boxes3D:
    if not found:
        return Boxes3D.empty(frame_id=depth.frame_id, stamp_ns=depth.stamp_ns)
    models, poses, covariances, scores = zip(*found, strict=True)
    classes = tuple(sorted({one.name for one in models}))
    rotations = np.array([one[:3, :3] for one in poses])
    return Boxes3D(
        frame_id=depth.frame_id,
        stamp_ns=depth.stamp_ns,
        center_m=np.array([one[:3, 3] for one in poses]),
        quat_xyzw=quat_from_matrix(rotations),
        size_lwh_m=np.array([one.size_lwh_m for one in models]),
        covariance=np.array(covariances),
        score=np.array(scores),
        classes=classes,
        class_probs=np.array([[float(name == one.name) for name in classes] for one in models]),
        sensors=(SENSORS,) * len(found),
    )
