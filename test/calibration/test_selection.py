"""Which frames of a stream are kept."""

from __future__ import annotations

import numpy as np

from perception_stack.calibration.camera.selection import Answer, ViewCollector
from perception_stack.calibration.targets.detection import Sighting

_, BASE = np.mgrid[:6, :9], np.stack(np.meshgrid(np.arange(9), np.arange(6)), -1).reshape(-1, 2)
SHARP = np.kron(np.indices((12, 16)).sum(axis=0) % 2, np.full((40, 40), 200)).astype(np.uint8)


def seen(x, y, *, points=slice(None)):
    uv_px = 40.0 * BASE + [x, y]
    return Sighting(name="", point_idx=np.arange(54)[points], uv_px=uv_px[points])


def offered(frames, *, period_ms=100, image=SHARP):
    collector = ViewCollector(width_px=640)
    return [
        collector.offer(image, one, stamp_ns=(i + 1) * period_ms * 1_000_000)
        for i, one in enumerate(frames)
    ], collector


def test_new_still_views_are_taken_once():
    answers, collector = offered([seen(79, 79)] * 3 + [seen(159, 119)] * 3)
    assert answers == [
        Answer.TAKEN,
        Answer.KNOWN,
        Answer.KNOWN,
        Answer.MOVING,
        Answer.TAKEN,
        Answer.KNOWN,
    ]
    assert len(collector.sightings) == len(collector.stamps_ns) == 2


def test_moving_boards_are_not_taken():
    answers, _ = offered([seen(79 + 5 * i, 79) for i in range(8)])
    assert answers == [Answer.TAKEN] + [Answer.MOVING] * 7


def test_single_pictures_do_not_move():
    answers, _ = offered([seen(79 + 40 * i, 79) for i in range(4)], period_ms=2000)
    assert answers == [Answer.TAKEN] * 4


def test_no_board_and_blur():
    assert offered([None])[0] == [Answer.NO_BOARD]
    import cv2

    blurred = cv2.blur(SHARP, (11, 11))
    assert offered([seen(79, 79)], image=blurred)[0] == [Answer.BLURRED]


def test_parts_of_a_board_that_share_no_point_are_new():
    answers, _ = offered([seen(79, 79, points=slice(0, 20)), seen(79, 79, points=slice(20, 54))])
    assert answers == [Answer.TAKEN, Answer.MOVING]
    answers, _ = offered(
        [seen(79, 79, points=slice(0, 20)), seen(79, 79, points=slice(20, 54))], period_ms=900
    )
    assert answers == [Answer.TAKEN, Answer.TAKEN]
