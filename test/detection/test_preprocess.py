"""Images in the network's input against the plainest way to write it, and boxes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.detection.manifest import InputSpec
from perception_stack.detection.preprocess import Feeder, place

cv2 = pytest.importorskip("cv2")


def spec(resize: str, colour: str = "rgb") -> InputSpec:
    return InputSpec(
        name="images",
        width_px=96,
        height_px=64,
        colour=colour,
        resize=resize,
        pad=7,
        mean=(103.53, 116.28, 123.675),
        std=(57.375, 57.12, 58.395),
    )


def plain(bgr: np.ndarray, one: InputSpec) -> np.ndarray:
    height, width = bgr.shape[:2]
    scale_x, scale_y = one.width_px / width, one.height_px / height
    if one.resize != "stretch":
        scale_x = scale_y = min(scale_x, scale_y)
    inner = max(1, int(width * scale_x)), max(1, int(height * scale_y))
    resized = cv2.resize(bgr, inner)
    canvas = np.full((one.height_px, one.width_px, 3), one.pad, np.float32)
    left = top = 0
    if one.resize == "letterbox_center":
        left, top = (one.width_px - inner[0]) // 2, (one.height_px - inner[1]) // 2
    part = resized[:, :, ::-1] if one.colour == "rgb" else resized
    canvas[top : top + inner[1], left : left + inner[0]] = part
    canvas = (canvas - np.float32(one.mean)) / np.float32(one.std)
    return canvas.transpose(2, 0, 1)[None]


@pytest.mark.parametrize("resize", ["letterbox", "letterbox_center", "stretch"])
@pytest.mark.parametrize("colour", ["bgr", "rgb"])
def test_input_is_that_of_plain_code_also_when_sizes_change(resize: str, colour: str) -> None:
    """The buffer is used again: nothing of an earlier, larger image may stay in the margins."""
    one = spec(resize, colour)
    feeder, rng = Feeder(one), np.random.default_rng(0)
    for width, height in [(640, 480), (640, 480), (1280, 720), (50, 300), (3, 1), (96, 64)]:
        bgr = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        tensor, _ = feeder.feed([bgr])
        np.testing.assert_array_equal(tensor, plain(bgr, one))


def test_rows_that_do_not_follow_each_other_in_memory() -> None:
    one = spec("letterbox")
    bgr = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    part = bgr[::2, 10:90]
    np.testing.assert_array_equal(Feeder(one).feed([part])[0], plain(part.copy(), one))


@given(
    width=st.integers(1, 2000),
    height=st.integers(1, 2000),
    resize=st.sampled_from(["letterbox", "letterbox_center", "stretch"]),
)
def test_boxes_come_back_where_they_were(width: int, height: int, resize: str) -> None:
    placement = place((width, height), spec(resize))
    box = np.array([[0.1 * width, 0.2 * height, 0.7 * width, 0.9 * height]])
    inside = box * np.tile(placement.scale_xy, 2) + np.tile(placement.corner_px, 2)
    np.testing.assert_allclose(placement.to_image(inside), box, rtol=1e-9)
    beyond = placement.to_image(np.array([[-1e4, -1e4, 1e4, 1e4]]))
    np.testing.assert_array_equal(beyond, [[0, 0, width, height]])
