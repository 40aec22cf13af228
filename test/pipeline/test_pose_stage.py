from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perception_stack.datatypes import ColorImage, DepthImage, Detections2D, PointCloud
from perception_stack.errors import CalibrationError, DecodeError, ShapeError
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline import pose_stage
from perception_stack.pipeline.pose_requests import PendingImage, region_of_points
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
        self.asked: list[Detections2D] = []
        self.names: list[tuple[str, ...]] = []
        self.active = ("mug",)

    @contextmanager
    def looking_for(self, names: Sequence[str]) -> Iterator[None]:
        self.names.append(tuple(names))
        yield

    def find(self, detections: Detections2D, scene: Scene) -> list[Found]:
        self.scenes.append(scene)
        self.asked.append(detections)
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


def pending(stamp_ns: int, decode: Callable[[], ColorImage]) -> PendingImage:
    return PendingImage(frame_id="color", stamp_ns=stamp_ns, decode=decode)


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
    decoded = []

    def decode() -> ColorImage:
        decoded.append(1)
        return ColorImage(frame_id="color", stamp_ns=5, bgr=bgr)

    stage.push_image(pending(5, decode))
    assert stage.push_depth(wall("color"), arrival_ns=0) == []
    assert not decoded  # nobody has looked at it
    stage.request()
    stage.request(DETECTIONS)
    assert len(seen.searched) == len(seen.scenes) == 1
    assert (seen.scenes[0].rgb[..., 0] == 200).all()
    assert len(decoded) == 2
    stage.push_image(pending(5 * 10**9, decode))
    stage.request()
    assert seen.searched[1].rgb.size == 0
    assert len(decoded) == 2


def test_image_that_cannot_be_decoded_costs_its_colours_only(parts) -> None:
    stage, seen, _, journal = parts
    stage.set_camera(camera("color", 1))

    def decode() -> ColorImage:
        raise DecodeError("an encoding nobody knows")

    stage.push_image(pending(5, decode))
    stage.push_depth(wall("color"), arrival_ns=0)
    stage.request()
    assert seen.searched[0].rgb.size == 0
    assert journal.counts == {Reason.UNDECODABLE: 1}


def test_mask_of_another_size_is_refused(parts) -> None:
    stage, seen, _, _ = parts
    stage.set_camera(camera("color", 1))
    stage.push_depth(wall("color"), arrival_ns=0)
    with pytest.raises(ShapeError, match=r"mask must be \[60, 80\]"):
        stage.request(replace(DETECTIONS, mask=np.zeros((30, 40), dtype=np.uint16)))
    assert not seen.scenes


def test_cluster_of_a_lidar_beside_the_camera_is_a_region(parts) -> None:
    stage, seen, frames, _ = parts
    stage.set_camera(camera("color", 1))
    stage.push_depth(wall("color", step_m=0.5), arrival_ns=0)
    frames.add(
        RigidTransform(
            target="color", source="lidar", rotation=np.eye(3), translation_m=np.array([0.1, 0, 0])
        ),
        stamp_ns=5,
    )
    # on the nearer half of the wall, 1.5 m away, one point behind the camera, one NaN
    xyz_m = np.array(
        [[0.1, -0.2, 1.5], [0.4, -0.2, 1.5], [0.4, 0.2, 1.5], [0.1, 0.2, 1.5], [0, 0, -1]]
    )
    xyz_m = np.vstack([xyz_m, np.full(3, np.nan)]).astype(np.float32)
    stage.request(
        cluster=PointCloud(frame_id="lidar", stamp_ns=5, xyz_m=xyz_m),
        names=("can",),
    )
    assert seen.names == [("can",)]
    (region,) = seen.asked
    assert region.labels == ("",)
    assert region.frame_id == "color"
    left, top, right, bottom = region.xyxy_px[0]
    assert (left, right) == pytest.approx((51 - 2, 67 + 2), abs=1)
    assert (top, bottom) == pytest.approx((19 - 2, 41 + 2), abs=1)
    rows, cols = np.nonzero(region.mask)
    assert (rows.min(), rows.max()) == pytest.approx((top, bottom), abs=1)
    assert (cols.min(), cols.max()) == pytest.approx((left, right), abs=1)


@pytest.mark.parametrize(
    "points_m",
    [np.empty((0, 3)), np.array([[0.0, 0, 1]]), np.array([[0.0, 0, -1]] * 5)],
    ids=["none", "one", "behind"],
)
def test_too_few_points_are_no_region(points_m: np.ndarray) -> None:
    scene = Scene.of(wall("color"), camera("color", 1))
    assert len(region_of_points(points_m, scene)) == 0


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
