"""The stand-in for a 2-D network errs as often as it says, and only then."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D, Detections2D
from perception_stack.simulation.detector import simulate_detections
from perception_stack.simulation.scene import Visibility, pinhole

CAMERA = pinhole(width_px=640, height_px=480, focal_px=500.0)
NUM_IMAGES = 400
BOX_PX = np.array([100.0, 100.0, 160.0, 200.0])


def one_object(*, occluded: float, xyxy_px: np.ndarray) -> tuple[Boxes3D, Visibility]:
    truth = Boxes3D(
        frame_id="odom",
        stamp_ns=7,
        center_m=np.zeros((1, 3)),
        quat_xyzw=np.array([[0.0, 0.0, 0.0, 1.0]]),
        size_lwh_m=np.ones((1, 3)),
        covariance=np.zeros((1, 6, 6)),
        score=np.ones(1),
        classes=("bottle", "mug"),
        class_probs=np.array([[0.0, 1.0]]),
        sensors=(("camera",),),
    )
    visibility = Visibility(
        num_points=np.array([100]),
        num_pixels=np.array([100]),
        range_occluded=np.array([occluded]),
        image_occluded=np.array([occluded]),
        xyxy_px=xyxy_px[None],
        countable=np.array([True]),
    )
    return truth, visibility


def many(truth: Boxes3D, visibility: Visibility) -> list[Detections2D]:
    return [
        simulate_detections(truth, visibility, CAMERA, np.random.default_rng(seed))
        for seed in range(NUM_IMAGES)
    ]


def near(found: Detections2D, xyxy_px: np.ndarray) -> np.ndarray:
    return np.abs(found.xyxy_px - xyxy_px).max(axis=1) < 12


@pytest.mark.parametrize(
    ("occluded", "height_px", "low", "high"),
    [
        (0.0, 100.0, 0.92, 0.99),
        (0.4, 100.0, 0.92, 0.99),
        (0.6, 100.0, 0.38, 0.58),
        (0.8, 100.0, 0.0, 0.0),
        (1.0, 100.0, 0.0, 0.0),
        (np.nan, np.nan, 0.0, 0.0),
        (0.0, 18.0, 0.38, 0.58),
        (0.0, 8.0, 0.0, 0.0),
    ],
)
def test_objects_are_found_as_often_as_stated(occluded, height_px, low, high):
    xyxy_px = BOX_PX + np.array([0, 0, 0, height_px - 100])
    images = many(*one_object(occluded=occluded, xyxy_px=xyxy_px))
    share = np.mean([near(found, xyxy_px).any() for found in images])
    assert low <= share <= high


def test_boxes_labels_and_false_alarms_err_as_stated():
    images = many(*one_object(occluded=0.0, xyxy_px=BOX_PX))
    errors = np.concatenate([found.xyxy_px[near(found, BOX_PX)] - BOX_PX for found in images])
    assert np.abs(errors.mean(axis=0)).max() < 0.3
    np.testing.assert_allclose(errors.std(axis=0), [1.6, 2.2, 1.6, 2.2], rtol=0.15)
    labels = [found.labels[i] for found in images for i in np.flatnonzero(near(found, BOX_PX))]
    assert 0.97 < np.mean([label == "mug" for label in labels]) < 1.0
    ghosts = sum(int((~near(found, BOX_PX)).sum()) for found in images)
    assert 0.15 < ghosts / NUM_IMAGES < 0.35


def test_boxes_lie_in_the_image_best_score_first():
    at_corner = np.array([-0.5, -0.5, 60.0, 90.0])
    for found in many(*one_object(occluded=0.0, xyxy_px=at_corner)):
        assert found.stamp_ns == 7
        assert (found.xyxy_px >= -0.5).all()
        assert (found.xyxy_px <= [639.5, 479.5, 639.5, 479.5]).all()
        assert (found.xyxy_px[:, 2:] > found.xyxy_px[:, :2]).all()
        assert (np.diff(found.score) <= 0).all()
        assert ((found.score > 0) & (found.score < 1)).all()


def test_empty_scene_gives_false_alarms_only():
    truth, visibility = one_object(occluded=0.0, xyxy_px=BOX_PX)
    nobody = truth.rows(np.empty(0, dtype=np.intp))
    unseen = Visibility(
        num_points=visibility.num_points[:0],
        num_pixels=visibility.num_pixels[:0],
        range_occluded=visibility.range_occluded[:0],
        image_occluded=visibility.image_occluded[:0],
        xyxy_px=visibility.xyxy_px[:0],
        countable=visibility.countable[:0],
    )
    num = [len(found) for found in many(nobody, unseen)]
    assert 0.15 < np.mean(num) < 0.35
