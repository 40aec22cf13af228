"""Scores of image detectors on cases worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from perception_stack.datatypes import Detections2D, ImageLabels
from perception_stack.evaluation.images import (
    JudgedImage,
    height_between,
    occluded_between,
    recall_of,
    score_images,
)


def judged(
    truth: list[tuple[list[float], str, bool, float]],
    found: list[tuple[list[float], float, str]],
) -> JudgedImage:
    hard = np.array([one[2] for one in truth], dtype=bool)
    labels = ImageLabels(
        xyxy_px=np.array([one[0] for one in truth], dtype=float).reshape(-1, 4),
        labels=tuple(one[1] for one in truth),
        ignored=hard,
        hard=hard,
        occluded=np.array([one[3] for one in truth], dtype=float),
    )
    boxes = Detections2D(
        frame_id="",
        stamp_ns=0,
        xyxy_px=np.array([one[0] for one in found], dtype=float).reshape(-1, 4),
        score=np.array([one[1] for one in found], dtype=float),
        labels=tuple(one[2] for one in found),
    )
    return JudgedImage(truth=labels, found=boxes)


BOX = [0.0, 0.0, 10.0, 20.0]
FAR = [50.0, 50.0, 60.0, 90.0]


@pytest.mark.parametrize(
    ("truth", "found", "ap50"),
    [
        pytest.param([(BOX, "car", False, 0)], [(BOX, 0.9, "car")], 1.0, id="found"),
        pytest.param([(BOX, "car", False, 0)], [(BOX, 0.9, "dog")], 0.0, id="wrong-class"),
        pytest.param([(BOX, "car", False, 0)], [], 0.0, id="nothing-found"),
        pytest.param(
            [(BOX, "car", False, 0)], [(FAR, 0.9, "car"), (BOX, 0.5, "car")], 0.5, id="false-first"
        ),
        pytest.param(
            [(BOX, "car", False, 0), (FAR, "car", True, 0)],
            [(FAR, 0.9, "car"), (BOX, 0.5, "car")],
            1.0,
            id="hard-is-neither",
        ),
        pytest.param(
            [(BOX, "car", False, 0), (FAR, "", True, 0)],
            [([51, 51, 58, 60], 0.9, "car"), (BOX, 0.5, "car")],
            1.0,
            id="unlabelled-region",
        ),
        pytest.param(
            [(BOX, "car", False, 0), (FAR, "car", False, 0)], [(BOX, 0.9, "car")], 0.5, id="half"
        ),
    ],
)
def test_average_precision(truth: Any, found: Any, ap50: float) -> None:
    scores = score_images([judged(truth, found)], ["car", "boat"])
    assert scores.ap50 == {"car": pytest.approx(ap50)}
    assert scores.mean_ap50 == pytest.approx(ap50)


def test_tighter_overlaps_count_in_the_mean() -> None:
    # overlap 0.7: five of the ten thresholds
    scores = score_images(
        [judged([(BOX, "car", False, 0)], [([0, 0, 10, 14], 0.9, "car")])], ["car"]
    )
    assert scores.ap50["car"] == 1.0
    assert scores.ap["car"] == pytest.approx(0.5)


def test_recall_of_some_objects() -> None:
    images = [
        judged([(BOX, "car", False, 0.0), (FAR, "car", False, 0.6)], [(BOX, 0.9, "car")]),
        judged([(FAR, "car", False, np.nan)], [(FAR, 0.2, "car")]),
    ]
    assert recall_of(images, ["car"], height_between(0, 30), least_score=0.3) == (1.0, 1)
    assert recall_of(images, ["car"], height_between(30, 99), least_score=0.3) == (0.0, 2)
    assert recall_of(images, ["car"], height_between(30, 99), least_score=0.1) == (0.5, 2)
    assert recall_of(images, ["car"], occluded_between(0.5, 1), least_score=0.3) == (0.0, 1)
    value, num = recall_of(images, ["dog"], height_between(0, 99), least_score=0.3)
    assert np.isnan(value)
    assert num == 0
