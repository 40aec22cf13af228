from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat
from perception_stack.journal import Journal, Reason
from perception_stack.pose.config import PoseTrackerConfig
from perception_stack.pose.scene import Scene
from perception_stack.pose.tracking import PoseTracker
from perception_stack.pose.tracks import joined
from perception_stack.simulation.table import TableConfig, table_scene

FRAMES = (0, 2, 4, 6)


@cache
def drive() -> list[tuple[Scene, RigidTransform, dict[str, np.ndarray], object]]:
    """Views from an arm that swings: frame, camera's pose, true poses in the fixed frame."""
    scene = table_scene(TableConfig(seed=3))
    views = []
    for frame_idx in FRAMES:
        frame = scene.frame(frame_idx)
        tree = FrameTree()
        for one in (*scene.static_transforms, *frame.transforms):
            tree.add(one, stamp_ns=frame.stamp_ns)
        fixed_from_camera = tree.lookup(
            frame.truth.frame_id, frame.camera.frame_id, frame.stamp_ns
        )
        truth = {}
        for row, name in enumerate(frame.truth.labels):
            pose = np.eye(4)
            pose[:3, :3] = matrix_from_quat(frame.truth.quat_xyzw[row])
            pose[:3, 3] = frame.truth.center_m[row]
            truth[name] = pose
        views.append((Scene.of(frame.depth, frame.camera), fixed_from_camera, truth, frame))
    return views


def detections_of(frame, names):
    from perception_stack.datatypes import Detections2D

    rows = [frame.truth.labels.index(name) for name in names]
    return Detections2D(
        frame_id=frame.camera.frame_id,
        stamp_ns=frame.stamp_ns,
        xyxy_px=frame.visibility.xyxy_px[rows],
        score=np.ones(len(names)),
        labels=tuple(names),
    )


def started(estimator, names=("bracket", "wedge"), **config) -> PoseTracker:
    tracker = PoseTracker(PoseTrackerConfig(**config), estimator, Journal())
    scene, fixed_from_camera, _, frame = drive()[0]
    tracker.start(estimator.find(detections_of(frame, names), scene), fixed_from_camera)
    return tracker


def test_objects_stay_where_they_are_while_the_camera_moves(estimator) -> None:
    tracker = started(estimator, change=0.0)
    ids = [one.track_id for one in tracker.tracks]
    before = [np.trace(one.covariance[:3, :3]) for one in tracker.tracks]
    for scene, fixed_from_camera, truth, _ in drive()[1:]:
        found = tracker.update(scene, fixed_from_camera)
        assert found.boxes.labels == ("bracket", "wedge")
        for row, name in enumerate(found.boxes.labels):
            middle = fixed_from_camera.apply(found.boxes.center_m[row])
            assert np.linalg.norm(middle - truth[name][:3, 3]) < 0.004
    assert [one.track_id for one in tracker.tracks] == ids
    assert [one.num_views for one in tracker.tracks] == [4, 4]
    after = [np.trace(one.covariance[:3, :3]) for one in tracker.tracks]
    assert all(late < early for late, early in zip(after, before, strict=True))


def test_what_is_followed_already_is_not_started_twice(estimator) -> None:
    tracker = started(estimator)
    scene, fixed_from_camera, _, frame = drive()[1]
    found = estimator.find(detections_of(frame, ["wedge", "can"]), scene)
    tracker.start(found, fixed_from_camera)
    assert [one.found.model.name for one in tracker.tracks] == ["bracket", "wedge", "can"]


def test_wrong_pose_is_put_right(estimator) -> None:
    tracker = started(estimator, names=("bracket",), check_every=1)
    (track,) = tracker.tracks
    off = track.fixed_from_model.copy()
    off[:3, :3] = off[:3, :3] @ np.diag([-1.0, -1.0, 1.0])  # turned half round
    tracker._tracks = [replace(track, fixed_from_model=off)]
    scene, fixed_from_camera, truth, _ = drive()[1]
    found = tracker.update(scene, fixed_from_camera)
    (track,) = tracker.tracks
    assert track.num_restarts == 1
    assert tracker._journal.counts[Reason.POSE_RESTARTED] == 1
    assert len(found) == 1
    assert np.abs(track.fixed_from_model - truth["bracket"]).max() < 0.05


def test_object_that_is_gone_is_forgotten(estimator) -> None:
    tracker = started(estimator, names=("bracket",), forget_after=2)
    scene, fixed_from_camera, _, _ = drive()[1]
    empty = Scene.of_map(
        np.full_like(scene.depth_m, 3.0),
        scene.pinhole,
        frame_id=scene.frame_id,
        stamp_ns=scene.stamp_ns,
        rgb=scene.rgb,
    )
    assert len(tracker.update(empty, fixed_from_camera)) == 0
    assert [one.num_missed for one in tracker.tracks] == [1]
    tracker.update(empty, fixed_from_camera)
    assert tracker.tracks == ()
    assert tracker._journal.counts[Reason.POSE_LOST] == 1


@pytest.mark.parametrize("seed", range(3))
def test_views_are_joined_by_their_covariances(estimator, seed: int) -> None:
    """A view that knows nothing along x changes nothing along x."""
    (track,) = started(estimator, names=("bracket",)).tracks
    rng = np.random.default_rng(seed)
    fixed = RigidTransform(
        target="fixed", source="camera", rotation=np.eye(3), translation_m=np.zeros(3)
    )
    pose = track.fixed_from_model.copy()
    pose[:3, 3] += rng.uniform(0.001, 0.003, 3)
    blind = np.diag([1e6, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6])
    track = replace(track, covariance=1e-4 * np.eye(6))
    both = joined(track, replace(track.found, pose=pose, covariance=blind), fixed, change=0.0)
    moved = both.fixed_from_model[:3, 3] - track.fixed_from_model[:3, 3]
    wanted = pose[:3, 3] - track.fixed_from_model[:3, 3]
    assert abs(moved[0]) < 1e-6
    assert np.allclose(moved[1:], wanted[1:], rtol=0.02)


def test_only_detections_of_what_is_not_followed_are_estimated(estimator, monkeypatch) -> None:
    tracker = started(estimator, names=("bracket",))
    asked = []
    find = estimator.find

    def noted(detections, scene, *, rows=None):
        asked.append([detections.labels[row] for row in rows])
        return find(detections, scene, rows=rows)

    monkeypatch.setattr(estimator, "find", noted)
    for scene, fixed_from_camera, truth, frame in drive()[1:]:
        detections = detections_of(frame, ["wedge", "bracket"])
        found = tracker.update_at(detections, scene, fixed_from_camera)
        assert found.boxes.labels == ("bracket", "wedge")
        for row, name in enumerate(found.boxes.labels):
            middle = fixed_from_camera.apply(found.boxes.center_m[row])
            assert np.linalg.norm(middle - truth[name][:3, 3]) < 0.004
    assert asked == [["wedge"], [], []]


def test_frame_is_searched_while_nothing_is_followed_and_from_time_to_time(
    estimator, monkeypatch
) -> None:
    tracker = PoseTracker(PoseTrackerConfig(check_every=2), estimator, Journal())
    scene, fixed_from_camera, _, frame = drive()[0]
    known = estimator.find(detections_of(frame, ["bracket", "wedge"]), scene)
    searched = []

    def search(scene):
        searched.append(scene.stamp_ns)
        return [[], known[:1], known][len(searched) - 1]

    monkeypatch.setattr(estimator, "find_anywhere", search)
    given = [tracker.update_anywhere(scene, fixed_from_camera).boxes.labels for _ in range(4)]
    assert given == [(), ("bracket",), ("bracket",), ("bracket", "wedge")]
    assert len(searched) == 3


def test_unsure_poses_are_not_followed(estimator) -> None:
    tracker = PoseTracker(PoseTrackerConfig(), estimator, Journal())
    scene, fixed_from_camera, _, frame = drive()[0]
    (found,) = estimator.find(detections_of(frame, ["bracket"]), scene)
    tracker.start([replace(found, score=0.4)], fixed_from_camera)
    assert tracker.tracks == ()


def test_objects_no_longer_looked_for_are_let_go(estimator) -> None:
    tracker = started(estimator)
    scene, fixed_from_camera, *_ = drive()[1]
    estimator.look_for(["wedge"])
    try:
        assert tracker.update(scene, fixed_from_camera).boxes.labels == ("wedge",)
    finally:
        estimator.look_for([])


def test_object_carried_far_away_is_found_anew_and_not_listed_twice(estimator) -> None:
    """Its track is left behind, is in doubt as no detection shows it there, and ends."""
    tracker = started(estimator, names=("carton", "bracket"), forget_after=2)
    carton, bracket = tracker.tracks
    place = carton.fixed_from_model.copy()
    place[:3, 3] = bracket.fixed_from_model[:3, 3] + [0.03, 0.0, 0.0]
    tracker._tracks = [replace(carton, fixed_from_model=place), bracket]
    for scene, fixed_from_camera, truth, frame in drive()[1:]:
        found = tracker.update_at(
            detections_of(frame, ["carton", "bracket"]), scene, fixed_from_camera
        )
        assert sorted(found.boxes.labels) == ["bracket", "carton"]
        middle = fixed_from_camera.apply(found.boxes.center_m[found.boxes.labels.index("carton")])
        assert np.linalg.norm(middle - truth["carton"][:3, 3]) < 0.004
    assert len(tracker.tracks) == 2
