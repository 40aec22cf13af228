"""Annotated images: what is drawn where, and that nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.datatypes import ColorImage, Detections2D, Keypoints2D
from perception_stack.detection.drawing import colour_of, draw

pytest.importorskip("cv2")


def grey(width: int = 320, height: int = 240) -> ColorImage:
    return ColorImage(frame_id="c", stamp_ns=3, bgr=np.full((height, width, 3), 100, np.uint8))


def test_a_class_has_one_colour_and_others_another() -> None:
    colours = [colour_of(name) for name in ("car", "truck", "pedestrian", "car")]
    assert colours[0] == colours[3]
    assert len(set(colours)) == 3


def test_mask_box_and_keypoints_lie_where_they_belong() -> None:
    image = grey()
    mask = np.zeros((240, 320), np.uint16)
    mask[100:150, 100:200] = 1
    found = draw(
        image,
        Detections2D(
            frame_id="c",
            stamp_ns=3,
            xyxy_px=np.array([[90.0, 90, 210, 160]]),
            score=np.array([0.5]),
            labels=("car",),
            mask=mask,
            keypoints=Keypoints2D(
                names=("a", "b"),
                uv_px=np.array([[[250.0, 200], [20, 20]]]),
                score=np.array([[0.9, 0.1]]),
            ),
        ),
    )
    assert (image.bgr == 100).all()
    assert (found.frame_id, found.stamp_ns) == ("c", 3)
    changed = (found.bgr != 100).any(axis=2)
    assert changed[100:150, 100:200].all()
    assert changed[125, 90]
    assert tuple(found.bgr[200, 250]) == colour_of("car")
    assert not changed[15:25, 15:25].any()
    assert not changed[165:190].any()


@pytest.mark.parametrize("size", [(1, 1), (3, 500)])
def test_what_does_not_fit_is_drawn_as_far_as_it_does(size: tuple[int, int]) -> None:
    one = Detections2D(
        frame_id="c",
        stamp_ns=3,
        xyxy_px=np.array([[-1e6, -5, 1e6, 900]]),
        score=np.array([1.0]),
        labels=("car",),
        rotated_px=np.array([[0.0, 0, 400, 20, 0.7]]),
    )
    assert draw(grey(*size), one).bgr.shape == (size[1], size[0], 3)


def test_nothing_leaves_the_image_as_it_is() -> None:
    nothing = Detections2D(
        frame_id="c",
        stamp_ns=3,
        xyxy_px=np.empty((0, 4)),
        score=np.empty(0),
        labels=(),
        mask=np.zeros((240, 320), np.uint8),
    )
    np.testing.assert_array_equal(draw(grey(), nothing).bgr, grey().bgr)
