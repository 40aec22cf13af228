"""From a network with masks and a depth image to the tracked list, in one go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perception_stack.datatypes import ColorImage, DepthImage
from perception_stack.geometry.camera import CameraModel
from perception_stack.journal import Journal
from perception_stack.pipeline.chain import STEPS, Chain
from perception_stack.pipeline.config import ChainConfig

TENTH_NS = 100_000_000
NUM_FRAMES = 6
# The network finds "b" in columns 72 to 120 and rows 24 to 104; its mask ends in row 64.
UPPER, LOWER = np.s_[30:62, 76:116], np.s_[66:100, 76:116]


def camera() -> CameraModel:
    k = np.array([[100.0, 0, 64], [0, 100, 64], [0, 0, 1]])
    return CameraModel.pinhole(frame_id="camera", width_px=128, height_px=128, k=k)


def depth_m() -> np.ndarray:
    """A wall, and before it two boards, of which the lower one is nearer, both within the box."""
    depth = np.full((128, 128), 2.0, np.float32)
    depth[UPPER], depth[LOWER] = 1.0, 0.6
    return depth


def tracked(model: Path) -> dict[str, np.ndarray]:
    """Classes of the last list, and where each is."""
    params = {
        "detector": {"model": str(model)},
        "fusion": {"camera_classes": ["a", "b"], "fixed_frame": "camera"},
        "tracker": {"fixed_frame": "camera"},
    }
    journals = {step: Journal() for step in STEPS}
    chain = Chain(ChainConfig.from_params(params, where="test"), journals)
    chain.add_camera(camera())
    results = []
    for i in range(NUM_FRAMES):
        now = i * TENTH_NS
        bright = np.full((128, 128, 3), 255, np.uint8)
        image = ColorImage(frame_id="camera", stamp_ns=now, bgr=bright)
        depth = DepthImage(frame_id="camera", stamp_ns=now, depth_m=depth_m())
        results += chain.add_depth(depth, arrival_ns=now)
        results += chain.add_image(image, arrival_ns=now)
    results += chain.flush(NUM_FRAMES * TENTH_NS)
    boxes = results[-1].objects.boxes
    return dict(zip(boxes.labels, boxes.center_m, strict=True))


def test_the_mask_says_which_of_two_things_in_a_box_is_meant(
    small_network: Callable[..., Path], tmp_path: Path
) -> None:
    objects = tracked(small_network(tmp_path, "yolov8_seg"))
    assert set(objects) == {"b", "unknown"}
    # middles of the boards; pixels count from the middle of the first one
    np.testing.assert_allclose(objects["b"], [0.315, -0.185, 1.0], atol=0.01)
    np.testing.assert_allclose(objects["unknown"], [0.189, 0.111, 0.6], atol=0.01)


def test_without_masks_the_nearer_one_is_taken_along(
    small_network: Callable[..., Path], tmp_path: Path
) -> None:
    """What the test above would see if masks were lost on the way."""
    assert tracked(small_network(tmp_path, "yolov8"))["b"][2] == pytest.approx(0.6, abs=0.01)
