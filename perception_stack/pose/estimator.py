"""6-DoF poses of known objects in a depth image, one for each detection that has a mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_stack.datatypes import Boxes3D, DepthImage, Detections2D, FloatArray
from perception_stack.errors import FrameMismatchError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import quat_from_matrix
from perception_stack.journal import Journal, Reason
from perception_stack.pose.alignment import align, closest
from perception_stack.pose.config import PoseEstimatorConfig
from perception_stack.pose.hypotheses import *
from perception_stack.pose.hypotheses import guess_poses
from perception_stack.pose.models import ObjectModel, load_model, model_paths
from perception_stack.pose.region import object_points
from perception_stack.pose.surface import thinned_mean
from perception_stack.pose.uncertainty import covariance_of
from perception_stack.pose.verification import explained

SENSORS = ("camera", "depth")


class PoseEstimator:
    """Feature RANSAC, ICP, and a check against the depth image.

    Args:
        config: Parameters; ``mesh_dir`` holds the known objects.
        journal: Told why a detection got no pose.

    Raises:
        DataFileError: the folder of meshes cannot be used.
    """

    def __init__(self, config: PoseEstimatorConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._paths = model_paths(Path(config.mesh_dir).expanduser())
        self._models: dict[str, ObjectModel] = {}

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
            and orientation are the mesh's frame, ``score`` is the share of its visible surface
            that the depth image confirms.

        Raises:
            FrameMismatchError: depth image and camera are of different frames.
        """
        if depth.frame_id != camera.frame_id:
            raise FrameMismatchError(
                "depth image", expected=camera.frame_id, received=depth.frame_id
            )
        found = []
        for row, label in enumerate(detections.labels):
            if label not in self._paths:
                self._drop(depth, Reason.NO_MESH, f"no mesh for class '{label}'")
                continue
            model = self._model(label)
            pose = self._pose(model, detections.xyxy_px[row], depth, camera)
            if pose is not None:
                found.append((model, *pose))
        return _boxes(depth, found)

    def _pose(
        self, model: ObjectModel, xyxy_px: FloatArray, depth: DepthImage, camera: CameraModel
    ) -> tuple[FloatArray, FloatArray, float] | None:
        """Pose, covariance and score of one detection; None, and the reason noted, without."""
        config = self._config
        points = object_points(
            depth.depth_m,
            xyxy_px,
            camera,
            diameter_m=model.diameter_m,
            border=config.border,
            noise_m=config.depth_noise_m,
            seed=config.seed,
        )
        if len(points) < config.min_points:
            detail = f"{model.name}: {len(points)} depth pixels, {config.min_points} needed"
            self._drop(depth, Reason.NO_DEPTH, detail)
            return None
        seen_m = thinned_mean(points, model.surface.spacing_m)
        poses, support = self._candidates(model, seen_m, depth, camera)
        best = int(np.argmax(support))
        score = float(support[best])
        if score < config.min_score:
            detail = f"{model.name}: {score:.2f}, {config.min_score:.2f} needed"
            self._drop(depth, Reason.POSE_NOT_FOUND, detail)
            return None
        covariance = covariance_of(model, seen_m, poses[best], noise_m=config.depth_noise_m)
        return poses[best], covariance, score

    def _candidates(self, model, seen_m, depth, camera):
        P = self.P
        d = model.diameter_m
        poses = np.concatenate(
            [
                guess_poses(model.surface, one, P["n"])
                for one in cluster_centers(seen_m, P["cs"] * model.surface.spacing_m, P["nc"])
            ]
        )
        few = seen_m[:: -(-len(seen_m) // P["few"])]
        poses = align(model.nearest, few, poses, d * np.geomspace(P["l0"], P["l1"], P["it1"]))
        rank = self._rank(model, few, poses, depth, camera, P["tol1"] * d)
        keep = different(poses, rank, num=P["keep1"], same_m=P["nms"] * d, model=model)
        poses = align(
            model.nearest, seen_m, poses[keep], d * np.geomspace(P["l1"], P["l2"], P["it2"])
        )
        rank = self._rank(model, seen_m, poses, depth, camera, P["tol2"] * d)
        keep = different(poses, rank, num=P["keep2"], same_m=P["nms"] / 2 * d, model=model)
        poses = align(model.fine, seen_m, poses[keep], d * np.full(P["it3"], P["l2"]))
        rank = self._rank(model, seen_m, poses, depth, camera, P["tol2"] * d)
        self.dbg = rank
        best = np.argsort(-rank, kind="stable")
        return poses[best], rank[best]

    def _rank(self, model, seen_m, poses, depth, camera, tol):
        shown = explained(model.surface, poses, depth.depth_m, camera, tolerance_m=tol)
        found = closest(model.nearest, seen_m, poses)
        t = 1.0 * tol + 0.5 * model.surface.spacing_m
        fit = (found.distance_m < t).sum(axis=1) / np.maximum(
            1, (found.distance_m < t + self.P["er"] * model.diameter_m).sum(axis=1)
        )
        return shown * fit ** self.P["e"]

    P = dict(
        er=0.2,
        cs=2.0,
        nc=3,
        nms=0.1,
        n=1000,
        few=80,
        l0=0.3,
        l1=0.15,
        it1=6,
        tol1=0.05,
        keep1=60,
        l2=0.06,
        it2=10,
        tol2=0.04,
        keep2=8,
        it3=8,
        e=0.5,
    )

    def _model(self, label: str) -> ObjectModel:
        if label not in self._models:
            config = self._config
            self._models[label] = load_model(
                self._paths[label], scale=config.mesh_scale, resolution=config.resolution
            )
        return self._models[label]

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
