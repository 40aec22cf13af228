from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perception_stack.datatypes import ColorImage, DepthImage, Detections2D
from perception_stack.errors import CalibrationError
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline import pose_stage
from perception_stack.pipeline.pose_stage import PoseStage
from perception_stack.pose.config import PoseEstimatorConfig, PoseTrackerConfig
from perception_stack.pose.estimates import Found, PoseEstimates, estimates_of
from perception_stack.pose.scene import Scene

DEPTH_M = 2.0


class Seen:
    """Stands for the estimator and keeps what it was given."""

    def __init__(self, *_given: object) -> None:
        self.scenes: list[Scene] = []
        self.searched: list[Scene] = []

    def find(self, _detections: Detections2D, scene: Scene) -> list[Found]:
        self.scenes.append(scene)
        return []

    def find_anywhere(self, scene: Scene) -> list[Found]:
        self.searched.append(scene)
        return []

    def estimate(self, detections: Detections2D, scene: Scene) -> PoseEstimates:
        found = self.find(detections, scene)
        return estimates_of(found, frame_id=scene.frame_id, stamp_ns=scene.stamp_ns)

    def search(self, scene: Scene) -> PoseEstimates:
        found = self.find_anywhere(scene)
        return estimates_of(found, frame_id=scene.frame_id, stamp_ns=scene.stamp_ns)


def camera(frame_id: str, scale: int) -> CameraModel:
    k = np.array([[80.0 * scale, 0, 40 * scale], [0, 80 * scale, 30 * scale], [0, 0, 1]])
    return CameraModel.pinhole(frame_id=frame_id, width_px=80 * scale, height_px=60 * scale, k=k)


def wall(frame_id: str, step_m: float = 0.0) -> DepthImage:
    """A wall, the right half of which stands ``step_m`` nearer."""
    depth_m = np.full((60, 80), DEPTH_M, dtype=np.float32)
    depth_m[:, 40:] -= step_m
    return DepthImage(frame_id=frame_id, stamp_ns=5, depth_m=depth_m)


DETECTIONS = Detections2D(
    frame_id="color",
    stamp_ns=5,
    xyxy_px=np.array([[10.0, 10, 40, 40]]),
    score=np.array([0.9]),
    labels=("mug",),
)


@pytest.fixture
def parts(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> tuple[PoseStage, Seen, FrameTree, Journal]:
    seen, frames, journal = Seen(), FrameTree(), Journal()
    monkeypatch.setattr(pose_stage, "PoseEstimator", lambda *_given: seen)
    where = getattr(request, "param", "detections")
    config = PoseEstimatorConfig(mesh_dir=str(Path()), where=where)
    stage = PoseStage(config, PoseTrackerConfig(), FusionConfig(), frames, journal)
    stage.set_camera(camera("color", 2))
    return stage, seen, frames, journal


def push(stage: PoseStage, depth: DepthImage) -> list[PoseEstimates]:
    found = stage.push_detections(DETECTIONS, arrival_ns=0)
    return found + stage.push_depth(depth, arrival_ns=0)


def test_depth_of_the_same_camera_is_left_as_it_is(parts) -> None:
    stage, seen, _, journal = parts
    stage.set_camera(camera("color", 1))
    depth = wall("color")
    assert len(push(stage, depth)) == 1
    assert np.array_equal(seen.scenes[0].depth_m, depth.depth_m)
    assert journal.counts == {}


def test_depth_of_another_camera_is_brought_to_the_colour_image(parts) -> None:
    """The colour camera is twice as fine and stands 5 cm to the left."""
    stage, seen, frames, journal = parts
    stage.set_depth_camera(camera("depth", 1))
    shift_m = np.array([0.05, 0.0, 0.0])
    color_from_depth = RigidTransform(
        target="color", source="depth", rotation=np.eye(3), translation_m=shift_m
    )
    frames.add(color_from_depth, stamp_ns=0, static=True)
    assert len(push(stage, wall("depth", step_m=0.5))) == 1
    (depth,) = seen.scenes
    assert depth.frame_id == "color"
    assert depth.depth_m.shape == (120, 160)
    # the edge at the middle of the depth image, on the near half: 160 px * 0.05 m / 1.5 m
    edge = np.flatnonzero(depth.depth_m[60] < DEPTH_M - 0.1)[0]
    assert edge == pytest.approx(80 + 160 * 0.05 / (DEPTH_M - 0.5), abs=2)
    assert journal.counts == {}


@pytest.mark.parametrize(
    ("calibrated", "reason"), [(True, Reason.NO_TRANSFORM), (False, Reason.BAD_CALIBRATION)]
)
def test_depth_that_cannot_be_placed_is_counted(parts, calibrated: bool, reason: Reason) -> None:
    stage, seen, _, journal = parts
    if calibrated:
        stage.set_depth_camera(camera("depth", 1))
    assert push(stage, wall("depth")) == []
    assert seen.scenes == []
    assert journal.counts == {reason: 1}


@pytest.mark.parametrize("parts", ["frame"], indirect=True)
def test_each_frame_is_searched_without_detections(parts) -> None:
    stage, seen, _, _ = parts
    stage.set_camera(camera("color", 1))
    assert len(stage.push_depth(wall("color"), arrival_ns=0)) == 1
    assert len(seen.searched) == 1
    assert stage.push_detections(DETECTIONS, arrival_ns=0) == []
    assert seen.scenes == []


@pytest.mark.parametrize("parts", ["request"], indirect=True)
def test_newest_frame_is_looked_at_when_asked(parts) -> None:
    stage, seen, _, _ = parts
    with pytest.raises(CalibrationError, match="before a depth image"):
        stage.request()
    stage.set_camera(camera("color", 1))
    bgr = np.zeros((60, 80, 3), dtype=np.uint8)
    bgr[..., 2] = 200
    stage.push_image(ColorImage(frame_id="color", stamp_ns=5, bgr=bgr))
    assert stage.push_depth(wall("color"), arrival_ns=0) == []
    stage.request()
    stage.request(DETECTIONS)
    assert len(seen.searched) == len(seen.scenes) == 1
    assert (seen.scenes[0].rgb[..., 0] == 200).all()
    stage.push_image(ColorImage(frame_id="color", stamp_ns=5 * 10**9, bgr=bgr))
    stage.request()
    assert seen.searched[1].rgb.size == 0


def test_frame_whose_place_is_not_known_in_time_is_estimated_anew(monkeypatch) -> None:
    seen, journal = Seen(), Journal()
    monkeypatch.setattr(pose_stage, "PoseEstimator", lambda *_given: seen)
    following = PoseTrackerConfig(follow=True, transform_timeout_s=0.2)
    config = PoseEstimatorConfig(mesh_dir=str(Path()))
    stage = PoseStage(config, following, FusionConfig(), FrameTree(), journal)
    stage.set_camera(camera("color", 1))
    assert push(stage, wall("color")) == []
    assert stage.ready(100_000_000) == []
    (found,) = stage.expire(200_000_000)
    assert found.boxes.stamp_ns == DETECTIONS.stamp_ns
    assert len(seen.scenes) == 1
    assert journal.counts == {Reason.NO_TRANSFORM: 1}


def test_a_mask_joins_the_detections_of_its_image(
    parts: tuple[PoseStage, Seen, FrameTree, Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, seen, _, journal = parts
    given: list[Detections2D] = []
    find = seen.find
    monkeypatch.setattr(
        seen, "find", lambda detections, scene: given.append(detections) or find(detections, scene)
    )
    stage.expect_masks(True)
    mask = np.zeros((120, 160), np.uint8)
    mask[20:30, 20:30] = 1
    depth = DepthImage(
        frame_id="color", stamp_ns=5, depth_m=np.full((120, 160), DEPTH_M, np.float32)
    )
    assert stage.push_detections(DETECTIONS, arrival_ns=0) == []
    assert stage.push_depth(depth, arrival_ns=0) == []
    assert len(stage.push_mask(mask, stamp_ns=5, arrival_ns=0)) == 1
    assert [one.mask is mask for one in given] == [True]
    # one that does not come is not waited for longer than others are
    later = replace(DETECTIONS, stamp_ns=50)
    assert stage.push_detections(later, arrival_ns=0) == []
    assert stage.push_depth(replace(depth, stamp_ns=50), arrival_ns=0) == []
    assert len(stage.expire(10**9)) == 1
    assert given[-1].mask is None
    assert journal.counts[Reason.SYNC_TIMEOUT] == 1
