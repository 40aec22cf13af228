"""Patches: boxes stay on what they hold, whatever happens to the image."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.training.detector.augment import cut_out, exposed


@pytest.mark.parametrize("seed", range(12))
def test_boxes_stay_on_their_objects(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = np.zeros((200, 300, 3), dtype=np.uint8)
    left, top = rng.integers(0, 240), rng.integers(0, 150)
    box = np.array([[left, top, left + 48.0, top + 40.0]])
    image[top : top + 40, left : left + 48] = 255
    patch = cut_out(image, box, size_px=(160, 128), usual_scale=0.8, rng=rng)
    bright = patch.bgr[..., 0] > 180  # what is beside the image is at most 114
    if not len(patch.kept):
        assert bright.sum() < 4
        return
    rows, columns = np.nonzero(bright)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(patch.xyxy_px[0], seen, atol=1.01)


def test_a_small_rest_of_an_object_is_not_asked_for() -> None:
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    boxes = np.array([[0.0, 0.0, 100.0, 100.0], [40.0, 40.0, 42.0, 60.0]])
    patch = cut_out(image, boxes, size_px=(32, 32), usual_scale=1.0, rng=np.random.default_rng(0))
    assert 0 in patch.kept
    assert patch.partial[list(patch.kept).index(0)]


def test_no_objects_are_no_error() -> None:
    image = np.zeros((10, 10, 3), dtype=np.uint8)
    patch = cut_out(
        image, np.empty((0, 4)), size_px=(64, 32), usual_scale=1.0, rng=np.random.default_rng(0)
    )
    assert patch.xyxy_px.shape == (0, 4)
    assert patch.bgr.shape == (32, 64, 3)


def test_exposure_depends_on_the_generator_only() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    before = image.copy()
    a, b = (exposed(image, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(image, before)
    assert a.dtype == np.uint8
