from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import Boxes3D, Detections2D, Obstacles
from perception_stack.errors import ConfigError, FrameMismatchError
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.fusion import Fusion
from perception_stack.fusion.sight import CameraView
from perception_stack.geometry.boxes import project_boxes, transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform, quat_from_yaw
from perception_stack.journal import Journal, Reason

CAMERA = CameraModel.pinhole(
    frame_id="camera_optical",
    width_px=1242,
    height_px=375,
    k=np.array([[720.0, 0, 620], [0, 720, 180], [0, 0, 1]]),
)
CAMERA_FROM_LIDAR = RigidTransform(
    target="camera_optical",
    source="lidar",
    rotation=np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]),
    translation_m=np.array([0.0, -0.1, -0.3]),
)
UP = np.array([0.0, 0.0, 1.0])
CLASSES = ("car", "cyclist", "pedestrian", "truck", "unknown")


def lidar_boxes(*rows: tuple[float, ...], score: float = 0.5) -> Boxes3D:
    """Boxes by (x, y, length, width, height, yaw) of unknown class."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    num = len(table)
    return Boxes3D(
        frame_id="lidar",
        stamp_ns=5,
        center_m=np.column_stack([table[:, :2], table[:, 4] / 2 - 1.7]),
        quat_xyzw=quat_from_yaw(table[:, 5]),
        size_lwh_m=table[:, 2:5],
        covariance=np.tile(np.eye(6), (num, 1, 1)),
        score=np.full(num, score),
        classes=CLASSES,
        class_probs=np.tile([0.1, 0.1, 0.1, 0.1, 0.6], (num, 1)),
        sensors=(("lidar",),) * num,
    )


def detections(xyxy_px, labels: tuple[str, ...], score: float = 0.9) -> Detections2D:
    return Detections2D(
        frame_id="camera_optical",
        stamp_ns=5,
        xyxy_px=np.asarray(xyxy_px, dtype=np.float64).reshape(-1, 4),
        score=np.full(len(labels), score),
        labels=labels,
    )


def image_of(boxes: Boxes3D) -> np.ndarray:
    return project_boxes(transform_boxes(boxes, CAMERA_FROM_LIDAR), CAMERA)[0]


def fuse(boxes: Boxes3D, found: Detections2D, journal: Journal | None = None) -> Boxes3D:
    fusion = Fusion(FusionConfig(), journal or Journal())
    view = CameraView(
        name="camera",
        camera=CAMERA,
        detections=found,
        camera_from_obstacles=CAMERA_FROM_LIDAR,
    )
    return fusion.fuse(Obstacles.of(boxes), (view,), up=UP)


CAR = (15, 2, 4.2, 1.8, 1.5, 0.3)
PERSON = (12, -3, 0.6, 0.6, 1.7, 0.0)
BEHIND = (-15, 2, 4.2, 1.8, 1.5, 0.3)


def test_match_gives_class_existence_and_sensor() -> None:
    boxes = lidar_boxes(CAR, PERSON)
    fused = fuse(boxes, detections(image_of(boxes)[::-1], ("pedestrian", "car")))
    assert fused.labels == ("car", "pedestrian")
    assert fused.sensors == (("camera", "lidar"),) * 2
    assert (fused.score > 0.8).all()


def test_lidar_keeps_the_geometry() -> None:
    boxes = lidar_boxes(CAR, PERSON, BEHIND)
    fused = fuse(boxes, detections(image_of(boxes)[:1], ("car",)))
    assert (fused.frame_id, fused.stamp_ns) == ("lidar", 5)
    for name in ("center_m", "quat_xyzw", "size_lwh_m", "covariance"):
        np.testing.assert_array_equal(getattr(fused, name), getattr(boxes, name))


def test_no_detection_in_view_lowers_and_out_of_view_does_not() -> None:
    journal = Journal()
    boxes = replace(
        lidar_boxes(CAR, BEHIND), class_probs=np.tile([0.9, 0.02, 0.02, 0.02, 0.04], (2, 1))
    )
    fused = fuse(boxes, detections([], ()), journal)
    assert fused.score[0] < 0.3
    assert fused.score[1] == 0.5
    np.testing.assert_allclose(fused.class_probs[1], boxes.class_probs[1])
    assert fused.sensors == (("lidar",),) * 2
    assert journal.counts == {Reason.OUT_OF_VIEW: 1}


def test_what_is_hidden_is_not_missed() -> None:
    far = (30, 4, 4.2, 1.8, 1.5, 0.3)  # behind the first car
    boxes = replace(
        lidar_boxes(CAR, far), class_probs=np.tile([0.9, 0.02, 0.02, 0.02, 0.04], (2, 1))
    )
    near_only = detections(image_of(boxes)[:1], ("car",))
    alone = fuse(boxes.rows(np.array([1])), detections([], ())).score[0]
    assert fuse(boxes, near_only).score[1] > alone + 0.1


def test_detection_without_cluster_is_counted() -> None:
    journal = Journal()
    fused = fuse(lidar_boxes(CAR), detections([[0, 100, 50, 200]], ("pedestrian",)), journal)
    assert len(fused) == 1
    assert journal.counts == {Reason.NO_DEPTH: 1}
    assert journal.last(Reason.NO_DEPTH).detail == (
        "no object for 1 of 1 2-D boxes, the best a pedestrian of score 0.90 with "
        "0 obstacle points inside"
    )


def test_assignment_is_the_best_in_total() -> None:
    """The nearest first would give the left detection the right box and leave one alone."""
    boxes = lidar_boxes((15, 1.0, 0.6, 1.2, 1.7, 0), (15, 0.2, 0.6, 1.2, 1.7, 0))
    left, right = image_of(boxes)
    shift = np.array([1, 0, 1, 0])
    shifted = detections([left + 9 * shift, right + 14 * shift], ("car", "truck"))
    assert fuse(boxes, shifted).labels == ("car", "truck")


def test_label_that_no_sensor_knew_before() -> None:
    boxes = lidar_boxes(CAR)
    assert fuse(boxes, detections(image_of(boxes), ("tram",))).labels == ("tram",)


@pytest.mark.parametrize("labels", [(), ("car",)])
def test_no_boxes(labels: tuple[str, ...]) -> None:
    none = Boxes3D.empty(frame_id="lidar", stamp_ns=5)
    assert len(fuse(none, detections([[1, 2, 30, 40]] * len(labels), labels))) == 0


@pytest.mark.parametrize("wrong", ["boxes", "detections"])
def test_wrong_frame_is_an_error_and_never_ignored(wrong: str) -> None:
    """A peer goes on with the untransformed cloud."""
    boxes, found = lidar_boxes(CAR), detections([], ())
    if wrong == "boxes":
        boxes = replace(boxes, frame_id="map")
    else:
        found = replace(found, frame_id="map")
    with pytest.raises(FrameMismatchError):
        fuse(boxes, found)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num=st.integers(0, 12), num_found=st.integers(0, 12))
def test_order_of_boxes_and_detections_does_not_matter(
    seed: int, num: int, num_found: int
) -> None:
    random = np.random.default_rng(seed)
    place = random.uniform([-30, -15, 0.5, 0.5, 0.5, -3], [60, 15, 5, 2, 2, 3], (num, 6))
    boxes = lidar_boxes(*place)
    corner = random.uniform(0, [1100, 300], (num_found, 2))
    xyxy_px = np.column_stack([corner, corner + random.uniform(5, 150, (num_found, 2))])
    labels = tuple(random.choice(["car", "dog", "pedestrian"], num_found))
    found = detections(xyxy_px, labels)
    fused = fuse(boxes, found)
    assert ((fused.score > 0) & (fused.score < 1)).all()
    np.testing.assert_allclose(fused.class_probs.sum(axis=1), 1)

    order, found_order = random.permutation(num), random.permutation(num_found)
    other = fuse(
        boxes.rows(order),
        detections(xyxy_px[found_order], tuple(labels[i] for i in found_order)),
    )
    assert other.classes == fused.classes
    np.testing.assert_allclose(other.score, fused.score[order], rtol=1e-12)
    np.testing.assert_allclose(other.class_probs, fused.class_probs[order], rtol=1e-12)


def test_alias_that_is_no_pair_is_refused() -> None:
    with pytest.raises(ConfigError, match="label:class"):
        FusionConfig(camera_aliases=("car",))
