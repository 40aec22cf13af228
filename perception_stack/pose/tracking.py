"""Poses from frame to frame: from the last one, checked against a fresh estimate, views fused.

Objects are kept in a fixed frame, so a camera on an arm may move between frames. Each frame moves
each pose from where it was last (:meth:`PoseEstimator.refine`); views are joined by their
covariances. From time to time, and whenever a pose is no longer sure, it is estimated anew at its
place and started again if the fresh one fits better and is elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from perception_stack.config import StepConfig, param
from perception_stack.datatypes import Detections2D, FloatArray
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.pose.estimates import Found, PoseEstimates, estimates_of
from perception_stack.pose.estimator import PoseEstimator
from perception_stack.pose.scene import Scene

_CLEARLY_BETTER = 0.1  # share of the surface
_CONTRADICTS = 50.0  # squared Mahalanobis distance of a view that is not joined


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseTrackerConfig(StepConfig):
    """How poses are kept from frame to frame."""

    check_every: int = param(10, "Frames from one fresh estimate to the next.", low=1, high=1000)
    min_score: float = param(0.5, "Score below which a pose is estimated anew.", low=0.0, high=1.0)
    forget_after: int = param(5, "Frames without a sure pose that end a track.", low=1, high=100)
    drift: float = param(
        0.1, "Distance of a fresh pose, in diameters, that is a drift.", low=0.01, high=1.0
    )
    change: float = param(
        0.02,
        "What a resting object may move between frames, in diameters; less smooths more.",
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoseTrack:
    """One object over time.

    Attributes:
        track_id: The same as long as it is followed.
        fixed_from_model: float64 [4, 4], of all views.
        covariance: float64 [6, 6] of it, along the axes of the fixed frame.
        found: What the newest frame alone says, in the camera's frame.
        num_views: Frames since it was last started.
        num_missed: Frames since a pose was sure.
        num_restarts: How often a fresh estimate took the place of a drifted pose.
    """

    track_id: int
    fixed_from_model: FloatArray
    covariance: FloatArray
    found: Found
    num_views: int
    num_missed: int
    num_restarts: int


class PoseTracker:
    """Follows objects that were found once.

    Args:
        config: Parameters.
        estimator: Knows the objects.
    """

    def __init__(self, config: PoseTrackerConfig, estimator: PoseEstimator) -> None:
        self._config = config
        self._estimator = estimator
        self._tracks: list[PoseTrack] = []
        self._num_started = 0

    @property
    def tracks(self) -> tuple[PoseTrack, ...]:
        """What is followed, oldest first."""
        return tuple(self._tracks)

    def start(self, found: Sequence[Found], fixed_from_camera: RigidTransform) -> None:
        """Follow objects from now on; those followed already are left as they are."""
        for one in found:
            track = _started(one, fixed_from_camera, self._num_started)
            if not any(self._is_same(track, other) for other in self._tracks):
                self._tracks.append(track)
                self._num_started += 1

    def update(self, scene: Scene, fixed_from_camera: RigidTransform) -> PoseEstimates:
        """The objects in a further frame.

        Args:
            scene: The frame.
            fixed_from_camera: Where the camera is at its stamp.

        Returns:
            Those whose pose is sure, oldest first, all views joined, in the camera's frame.
        """
        moved = [self._moved(one, scene, fixed_from_camera) for one in self._tracks]
        self._tracks = [one for one in moved if one.num_missed < self._config.forget_after]
        camera_from_fixed = fixed_from_camera.inverse()
        turn = np.kron(np.eye(2), camera_from_fixed.rotation)
        sure = [
            replace(
                one.found,
                pose=camera_from_fixed.matrix @ one.fixed_from_model,
                covariance=turn @ one.covariance @ turn.T,
            )
            for one in self._tracks
            if one.num_missed == 0
        ]
        return estimates_of(sure, frame_id=scene.frame_id, stamp_ns=scene.stamp_ns)

    def _moved(
        self, track: PoseTrack, scene: Scene, fixed_from_camera: RigidTransform
    ) -> PoseTrack:
        config, name = self._config, track.found.model.name
        predicted = fixed_from_camera.inverse().matrix @ track.fixed_from_model
        found = self._estimator.refine(name, predicted, scene)
        unsure = found is None or found.score < config.min_score
        if unsure or (track.num_views + 1) % config.check_every == 0:
            fresh = self._fresh(track, predicted, scene)
            if fresh is not None and (found is None or self._has_drifted(found, fresh)):
                again = _started(fresh, fixed_from_camera, track.track_id)
                return replace(again, num_restarts=track.num_restarts + 1)
        if found is None or unsure:
            return replace(track, num_missed=track.num_missed + 1)
        return _joined(track, found, fixed_from_camera, change=config.change)

    def _fresh(self, track: PoseTrack, predicted: FloatArray, scene: Scene) -> Found | None:
        """An estimate at the object's place that knows nothing of its pose."""
        model = track.found.model
        points_m = model.contacts.points_m @ predicted[:3, :3].T + predicted[:3, 3]
        uv_px = scene.project(points_m)
        if not np.isfinite(uv_px).all():
            return None
        region = Detections2D(
            frame_id=scene.frame_id,
            stamp_ns=scene.stamp_ns,
            xyxy_px=np.concatenate([uv_px.min(axis=0), uv_px.max(axis=0)])[None],
            score=np.ones(1),
            labels=(model.name,),
        )
        found = self._estimator.find(region, scene)
        return found[0] if found else None

    def _has_drifted(self, found: Found, fresh: Found) -> bool:
        """Whether a fresh estimate shows more of the object, and is none of what fits as well."""
        places = np.concatenate([found.pose[None], found.alternatives])
        model = found.model
        offsets_m = (places - fresh.pose)[:, :3, :3] @ model.contacts.points_m.T
        offsets_m += (places - fresh.pose)[:, :3, 3:]
        apart_m = np.linalg.norm(offsets_m, axis=1).mean(axis=1).min()
        # scores near a pose and at a box are of two kinds; what the frame says is of one
        better = (fresh.visible - fresh.contradicted) - (found.visible - found.contradicted)
        is_elsewhere = apart_m > self._config.drift * model.diameter_m
        return bool(better > _CLEARLY_BETTER and is_elsewhere)

    def _is_same(self, track: PoseTrack, other: PoseTrack) -> bool:
        model = track.found.model
        if model is not other.found.model:
            return False
        middle = np.append(model.known.middle_m, 1.0)
        apart = (track.fixed_from_model - other.fixed_from_model) @ middle
        return bool(np.linalg.norm(apart) < model.diameter_m / 4)


def _started(found: Found, fixed_from_camera: RigidTransform, track_id: int) -> PoseTrack:
    turn = np.kron(np.eye(2), fixed_from_camera.rotation)
    return PoseTrack(
        track_id=track_id,
        fixed_from_model=fixed_from_camera.matrix @ found.pose,
        covariance=turn @ found.covariance @ turn.T,
        found=found,
        num_views=1,
        num_missed=0,
        num_restarts=0,
    )


def _joined(
    track: PoseTrack, found: Found, fixed_from_camera: RigidTransform, *, change: float
) -> PoseTrack:
    """The track with a further view: a Kalman update; started again where they contradict."""
    from scipy.spatial.transform import Rotation

    view = _started(found, fixed_from_camera, track.track_id)
    diameter_m = found.model.diameter_m
    before = track.covariance + np.diag(np.repeat([change * diameter_m, change], 3) ** 2)
    # of what looks the same, the pose that is nearest to where the object was
    same = view.fixed_from_model @ found.model.equivalents
    turns = np.einsum("ij,eij->e", track.fixed_from_model[:3, :3], same[:, :3, :3])
    nearest = same[np.argmax(turns)]
    step = np.append(
        nearest[:3, 3] - track.fixed_from_model[:3, 3],
        Rotation.from_matrix(nearest[:3, :3] @ track.fixed_from_model[:3, :3].T).as_rotvec(),
    )
    together = np.linalg.inv(before + view.covariance)
    if step @ together @ step > _CONTRADICTS:  # it was moved, or was wrong before
        return replace(view, num_restarts=track.num_restarts + 1)
    gain = before @ together
    step = gain @ step
    joined = np.eye(4)
    joined[:3, :3] = Rotation.from_rotvec(step[3:]).as_matrix() @ track.fixed_from_model[:3, :3]
    joined[:3, 3] = track.fixed_from_model[:3, 3] + step[:3]
    covariance = (np.eye(6) - gain) @ before
    return replace(
        view,
        fixed_from_model=joined,
        covariance=(covariance + covariance.T) / 2,
        num_views=track.num_views + 1,
        num_restarts=track.num_restarts,
    )
