"""Poses from frame to frame: from the last one, checked against a fresh estimate, views fused.

Objects are kept in a fixed frame, so a camera on an arm may move between frames. Each frame moves
each pose from where it was last (:meth:`PoseEstimator.refine`); views are joined by their
covariances. From time to time, and whenever a pose is no longer sure, it is estimated anew at its
place and started again if the fresh one fits better and is elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from perception_stack.datatypes import Detections2D, FloatArray
from perception_stack.geometry.overlap import iou_2d
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason
from perception_stack.pose.config import PoseTrackerConfig
from perception_stack.pose.estimates import Found, PoseEstimates, estimates_of
from perception_stack.pose.estimator import PoseEstimator
from perception_stack.pose.scene import Scene
from perception_stack.pose.tracks import PoseTrack, joined, started

_CLEARLY_BETTER = 0.1  # share of the surface
_SAME_BOX = 0.3  # least overlap of the box of a followed object and of a detection


class PoseTracker:
    """Follows objects that were found once.

    Args:
        config: Parameters.
        estimator: Knows the objects.
        journal: Told which tracks were started again or ended.
    """

    def __init__(
        self, config: PoseTrackerConfig, estimator: PoseEstimator, journal: Journal
    ) -> None:
        self._config = config
        self._estimator = estimator
        self._journal = journal
        self._tracks: list[PoseTrack] = []
        self._num_started = 0
        self._since_search = 0

    @property
    def tracks(self) -> tuple[PoseTrack, ...]:
        """What is followed, oldest first."""
        return tuple(self._tracks)

    def start(self, found: Sequence[Found], fixed_from_camera: RigidTransform) -> None:
        """Follow those that are sure from now on; those followed already are left as they are."""
        for one in found:
            track = started(one, fixed_from_camera, self._num_started)
            is_followed = any(_is_same(track, other) for other in self._tracks)
            if one.score >= self._config.min_score and not is_followed:
                self._tracks.append(track)
                self._num_started += 1

    def update(self, scene: Scene, fixed_from_camera: RigidTransform) -> PoseEstimates:
        """The followed objects in a further frame.

        Args:
            scene: The frame.
            fixed_from_camera: Where the camera is at its stamp.

        Returns:
            Those whose pose is sure, oldest first, all views joined, in the camera's frame.
        """
        return _listed(self._followed(scene, fixed_from_camera), scene)

    def update_at(
        self, detections: Detections2D, scene: Scene, fixed_from_camera: RigidTransform
    ) -> PoseEstimates:
        """As :meth:`update`; detections that show nothing followed are estimated, and started.

        What is less sure than a new object would have to be needs a detection at its place.

        Returns:
            The followed, oldest first, then the others, as :meth:`PoseEstimator.find` gives them.
        """
        followed = self._followed(scene, fixed_from_camera, detections)
        rows = _unexplained(detections, followed, scene)
        new = self._estimator.find(detections, scene, rows=rows)
        self.start(new, fixed_from_camera)
        return _listed([*followed, *new], scene)

    def update_anywhere(self, scene: Scene, fixed_from_camera: RigidTransform) -> PoseEstimates:
        """As :meth:`update`; the whole frame is searched from time to time, and new ones started.

        That is in every ``check_every``-th frame, and while nothing is followed.
        """
        followed = self._followed(scene, fixed_from_camera)
        self._since_search += 1
        if not self._tracks or self._since_search >= self._config.check_every:
            self._since_search = 0
            known = len(self._tracks)
            self.start(self._estimator.find_anywhere(scene), fixed_from_camera)
            followed += [one.found for one in self._tracks[known:]]
        return _listed(followed, scene)

    def _followed(
        self,
        scene: Scene,
        fixed_from_camera: RigidTransform,
        detections: Detections2D | None = None,
    ) -> list[Found]:
        """Every track a frame on; those that are sure."""
        wanted = [one for one in self._tracks if one.found.model in self._estimator.models]
        moved = [self._moved(one, scene, fixed_from_camera) for one in wanted]
        if detections is not None:
            moved = [
                replace(after, num_missed=before.num_missed + 1)
                if after.num_missed == 0 and self._is_in_doubt(after.found, detections, scene)
                else after
                for before, after in zip(wanted, moved, strict=True)
            ]
        left = [one for one in moved if one.num_missed < self._config.forget_after]
        self._tracks = _without_doubles(left)
        for before, after in zip(wanted, moved, strict=True):
            if after.num_restarts > before.num_restarts:
                self._note(Reason.POSE_RESTARTED, after, scene)
            if after.num_missed >= self._config.forget_after:
                self._note(Reason.POSE_LOST, after, scene)
        camera_from_fixed = fixed_from_camera.inverse()
        turn = np.kron(np.eye(2), camera_from_fixed.rotation)
        return [
            replace(
                one.found,
                pose=camera_from_fixed.matrix @ one.fixed_from_model,
                covariance=turn @ one.covariance @ turn.T,
            )
            for one in self._tracks
            if one.num_missed == 0
        ]

    def _note(self, reason: Reason, track: PoseTrack, scene: Scene) -> None:
        found = track.found
        detail = f"{found.model.name} {track.track_id}: score {found.score:.2f}, "
        detail += f"{found.visible:.2f} of the surface seen"
        self._journal.count(reason, stamp_ns=scene.stamp_ns, detail=detail)

    def _moved(
        self, track: PoseTrack, scene: Scene, fixed_from_camera: RigidTransform
    ) -> PoseTrack:
        config, name = self._config, track.found.model.name
        predicted = fixed_from_camera.inverse().matrix @ track.fixed_from_model
        # by depths alone: what was carried away leaves an outline of something else
        found = self._estimator.refine(name, predicted, scene, outline=False)
        unsure = found is None or found.score < config.min_score_followed
        if unsure or (track.num_views + 1) % config.check_every == 0:
            fresh = self._fresh(track, predicted, scene)
            is_new = fresh is not None and fresh.score >= config.min_score
            if fresh and is_new and (found is None or self._has_drifted(found, fresh)):
                again = started(fresh, fixed_from_camera, track.track_id)
                return replace(again, num_restarts=track.num_restarts + 1)
        if found is None or unsure:
            return replace(track, num_missed=track.num_missed + 1)
        return joined(track, found, fixed_from_camera, change=config.change)

    def _fresh(self, track: PoseTrack, predicted: FloatArray, scene: Scene) -> Found | None:
        """An estimate at the object's place that knows nothing of its pose."""
        xyxy_px = _box_px(track.found, predicted, scene)
        if not np.isfinite(xyxy_px).all():
            return None
        region = Detections2D(
            frame_id=scene.frame_id,
            stamp_ns=scene.stamp_ns,
            xyxy_px=xyxy_px[None],
            score=np.ones(1),
            labels=(track.found.model.name,),
        )
        found = self._estimator.find(region, scene)
        return found[0] if found else None

    def _is_in_doubt(self, found: Found, detections: Detections2D, scene: Scene) -> bool:
        """Whether a pose is little sure and no detection shows its object there."""
        is_shown = _overlaps(found, detections, scene) >= _SAME_BOX
        return found.score < self._config.min_score and not is_shown.any()

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


def _is_same(track: PoseTrack, other: PoseTrack) -> bool:
    model = track.found.model
    if model is not other.found.model:
        return False
    middle = np.append(model.known.middle_m, 1.0)
    apart = (track.fixed_from_model - other.fixed_from_model) @ middle
    return bool(np.linalg.norm(apart) < model.diameter_m / 4)


def _without_doubles(tracks: Sequence[PoseTrack]) -> list[PoseTrack]:
    """Of tracks that have met in one place the surest, oldest first."""
    kept: list[PoseTrack] = []
    for one in sorted(tracks, key=lambda each: -each.found.score):
        if not any(_is_same(one, other) for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda each: each.track_id)


def _unexplained(detections: Detections2D, followed: Sequence[Found], scene: Scene) -> list[int]:
    """Rows of the detections that show none of the followed objects; each explains one."""
    left = np.ones(len(detections), dtype=np.bool_)
    for one in followed:
        overlap = np.where(left, _overlaps(one, detections, scene), 0.0)
        if overlap.max(initial=0.0) >= _SAME_BOX:
            left[overlap.argmax()] = False
    return [int(row) for row in np.flatnonzero(left)]


def _overlaps(found: Found, detections: Detections2D, scene: Scene) -> FloatArray:
    """Overlap of an object with each detection, float64 [N]; 0 with those of other classes."""
    overlap = iou_2d(_box_px(found, found.pose, scene)[None], detections.xyxy_px)[0]
    is_alike = np.array([label == found.model.name for label in detections.labels], dtype=np.bool_)
    return np.where(is_alike, overlap, 0.0)


def _box_px(found: Found, pose: FloatArray, scene: Scene) -> FloatArray:
    """Box around an object in a pose, float64 [4]; NaN behind the camera."""
    uv_px = scene.project(found.model.contacts.points_m @ pose[:3, :3].T + pose[:3, 3])
    return np.concatenate([uv_px.min(axis=0), uv_px.max(axis=0)])


def _listed(found: Sequence[Found], scene: Scene) -> PoseEstimates:
    return estimates_of(found, frame_id=scene.frame_id, stamp_ns=scene.stamp_ns)
