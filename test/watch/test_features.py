"""Features of images, boxes and scans, against what is known of them."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.datatypes import ColorImage, Detections2D, FloatArray, PointCloud
from perception_stack.watch.features import (
    BOXES,
    CLOUD,
    IMAGE,
    box_features,
    class_features,
    cloud_features,
    usual_classes,
)
from perception_stack.watch.image_features import image_features


@cache
def picture(seed: int = 0) -> np.ndarray:
    """Blobs of all sizes in colour, from 40 to 200."""
    size = (240, 320)
    rng = np.random.default_rng(seed)
    total = np.zeros((*size, 3))
    for sigma in (1, 4, 16):
        layer = cv2.GaussianBlur(rng.standard_normal((*size, 3)), (0, 0), sigma)
        total += layer / layer.std()
    return np.clip(120 + 25 * total, 40, 200).astype(np.uint8)


def measured(bgr: np.ndarray) -> dict[str, float]:
    values = image_features(ColorImage(frame_id="", stamp_ns=0, bgr=bgr))
    return dict(zip([one.name for one in IMAGE], values.tolist(), strict=True))


def test_half_the_light_is_a_stop() -> None:
    whole, half = measured(picture()), measured(picture() // 2)
    assert half["brightness"] - whole["brightness"] == pytest.approx(-1, abs=0.03)
    assert half["contrast"] - whole["contrast"] == pytest.approx(-1, abs=0.03)
    assert half["sharpness"] == pytest.approx(whole["sharpness"], abs=0.05)
    assert (whole["width"], whole["height"]) == (320, 240)


def test_brightness_and_haze_are_means_of_known_images() -> None:
    flat = np.full((64, 96, 3), 63, np.uint8)
    flat[..., 2] = 127
    found = measured(flat)
    assert found["brightness"] == pytest.approx(np.log2(1 + (63 + 2 * 63 + 127) / 4))
    assert found["haze"] == 63
    assert found["colour"] == pytest.approx(100 * (127 - 63) / 127)
    assert found["contrast"] == found["sharpness"] == 0


@given(seed=st.integers(0, 4), sigma=st.floats(1.0, 4.0))
def test_blur_lowers_sharpness_and_hardly_anything_else(seed: int, sigma: float) -> None:
    sharp = measured(picture(seed))
    blurred = measured(cv2.GaussianBlur(picture(seed), (0, 0), sigma))
    assert blurred["sharpness"] < sharp["sharpness"] - 0.3
    assert blurred["brightness"] == pytest.approx(sharp["brightness"], abs=0.05)


def test_fog_takes_contrast_and_colour_and_raises_the_dark_channel() -> None:
    clear = measured(picture())
    foggy = measured((0.5 * picture() + 105).astype(np.uint8))
    assert foggy["contrast"] - clear["contrast"] == pytest.approx(-1, abs=0.03)
    assert foggy["haze"] - clear["haze"] > 40
    assert foggy["colour"] < clear["colour"] - 5


def test_noise_is_as_sharp_as_can_be() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    assert measured(noise)["sharpness"] == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("size", [(0, 0), (5, 500), (63, 64)])
def test_small_images_have_a_size_and_nothing_else(size: tuple[int, int]) -> None:
    values = image_features(
        ColorImage(frame_id="", stamp_ns=0, bgr=np.zeros((*size, 3), np.uint8))
    )
    assert values[:2].tolist() == [size[1], size[0]]
    assert np.isnan(values[2:]).all()


def boxes(labels: tuple[str, ...], side_px: float = 32.0, score: float = 0.5) -> Detections2D:
    corners = np.tile([10.0, 10.0, 10 + side_px, 10 + side_px], (len(labels), 1))
    return Detections2D(
        frame_id="",
        stamp_ns=0,
        xyxy_px=corners,
        score=np.full(len(labels), score),
        labels=labels,
    )


def test_boxes_as_numbers() -> None:
    classes = ("car", "dog")
    values = box_features(boxes(("car", "car", "cat", "dog")), classes)
    np.testing.assert_allclose(values, [2.0, 0.0, 0.5, 5.0, 50.0, 25.0, 25.0])
    assert len(values) == len(BOXES) + len(class_features(classes))


def test_no_boxes_have_a_number_and_nothing_else() -> None:
    values = box_features(boxes(()), ("car",))
    assert values[:2].tolist() == [0.0, 100.0]
    assert np.isnan(values[2:]).all()


def test_classes_with_a_share_of_their_own_are_the_frequent_ones() -> None:
    frames = [boxes(("car",) * 80 + ("dog",) * 19 + ("cat",)), boxes(())]
    assert usual_classes(frames) == ("car", "dog")
    assert usual_classes([boxes(())]) == ()


def scan(range_m: FloatArray, intensity: float = 3.0) -> PointCloud:
    xyz = np.zeros((len(range_m), 3), np.float32)
    xyz[:, 1] = range_m
    return PointCloud(
        frame_id="",
        stamp_ns=0,
        xyz_m=xyz,
        intensity=np.full(len(range_m), intensity, np.float32),
    )


def test_scans_as_numbers() -> None:
    ranges = np.array([8.0, 8.0, 8.0, 1.0, np.nan, 0.0, np.inf, np.nan])
    found = dict(zip([one.name for one in CLOUD], cloud_features(scan(ranges)), strict=True))
    assert found["points"] == pytest.approx(np.log2(5))
    assert found["no return"] == 50
    assert found["range"] == 3
    assert found["close by"] == 25
    assert found["intensity"] == pytest.approx(2)


def test_empty_scans_have_no_points_and_nothing_else() -> None:
    values = cloud_features(scan(np.empty(0)))
    assert values[0] == 0
    assert np.isnan(values[1:]).all()
    blind = cloud_features(scan(np.full(10, np.nan)))
    assert blind[:2].tolist() == [0, 100]
    assert np.isnan(blind[2:]).all()
