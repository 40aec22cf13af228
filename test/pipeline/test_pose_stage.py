from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D, DepthImage, Detections2D
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline import pose_stage
from perception_stack.pipeline.pose_stage import PoseStage
from perception_stack.pose.config import PoseEstimatorConfig

DEPTH_M = 2.0


class Seen:
    """Stands for the estimator and keeps what it was given."""

    def __init__(self, *_given: object) -> None:
        self.depth: list[DepthImage] = []

    def estimate(
        self, _detections: Detections2D, depth: DepthImage, *, camera: CameraModel
    ) -> Boxes3D:
        self.depth.append(depth)
        return Boxes3D.empty(frame_id=camera.frame_id, stamp_ns=depth.stamp_ns)


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
def parts(monkeypatch: pytest.MonkeyPatch) -> tuple[PoseStage, Seen, FrameTree, Journal]:
    seen, frames, journal = Seen(), FrameTree(), Journal()
    monkeypatch.setattr(pose_stage, "PoseEstimator", lambda *_given: seen)
    config = PoseEstimatorConfig(mesh_dir=str(Path()))
    stage = PoseStage(config, FusionConfig(), frames, journal)
    stage.set_camera(camera("color", 2))
    return stage, seen, frames, journal


def push(stage: PoseStage, depth: DepthImage) -> list[Boxes3D]:
    found = stage.push_detections(DETECTIONS, arrival_ns=0)
    return found + stage.push_depth(depth, arrival_ns=0)


def test_depth_of_the_same_camera_is_left_as_it_is(parts) -> None:
    stage, seen, _, journal = parts
    stage.set_camera(camera("color", 1))
    depth = wall("color")
    assert len(push(stage, depth)) == 1
    assert seen.depth == [depth]
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
    (depth,) = seen.depth
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
    assert seen.depth == []
    assert journal.counts == {reason: 1}
