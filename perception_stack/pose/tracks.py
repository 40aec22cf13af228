"""One object over several views: where it is in a fixed frame, its views joined."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.pose.estimates import Found

_CONTRADICTS = 50.0  # squared Mahalanobis distance of a view that is not joined


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


def started(found: Found, fixed_from_camera: RigidTransform, track_id: int) -> PoseTrack:
    """A track of one view."""
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


def joined(
    track: PoseTrack, found: Found, fixed_from_camera: RigidTransform, *, change: float
) -> PoseTrack:
    """The track with a further view: a Kalman update; started again where they contradict."""
    from scipy.spatial.transform import Rotation

    view = started(found, fixed_from_camera, track.track_id)
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
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_rotvec(step[3:]).as_matrix() @ track.fixed_from_model[:3, :3]
    pose[:3, 3] = track.fixed_from_model[:3, 3] + step[:3]
    covariance = (np.eye(6) - gain) @ before
    return replace(
        view,
        fixed_from_model=pose,
        covariance=(covariance + covariance.T) / 2,
        num_views=track.num_views + 1,
        num_restarts=track.num_restarts,
    )
