"""Average precision of boxes in images: COCO's own program, losses, what counts neither way."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest

from perception_stack.datatypes import Detections2D, ImageLabels
from perception_stack.evaluation.images import JudgedImage
from perception_stack.evaluation.precision_change import (
    ClassChange,
    compare_precision,
    mean_precision,
)
from perception_stack.pipeline.quantisation.pictures import sure_of


def labels_of(
    boxes: np.ndarray, names: tuple[str, ...], hard: list[bool] | None = None
) -> ImageLabels:
    out = np.array(hard or [False] * len(names), dtype=bool)
    return ImageLabels(
        xyxy_px=boxes, labels=names, ignored=out, hard=out, occluded=np.full(len(names), np.nan)
    )


def scene(rng: np.random.Generator, num: int = 6) -> ImageLabels:
    corner = rng.uniform(0, 300, (num, 2))
    boxes = np.hstack([corner, corner + rng.uniform(20, 120, (num, 2))])
    return labels_of(boxes, tuple(rng.choice(["car", "dog"], num)))


def seen(
    truth: ImageLabels, rng: np.random.Generator, *, jitter_px: float, lost: float = 0.2
) -> Detections2D:
    """The true boxes, some lost, all moved, and some false alarms."""
    kept = np.flatnonzero(rng.random(len(truth.labels)) > lost)
    corner = rng.uniform(0, 300, (3, 2))
    false = np.hstack([corner, corner + 50])
    boxes = truth.xyxy_px[kept] + rng.normal(0, jitter_px, (len(kept), 4))
    labels = [truth.labels[i] for i in kept] + ["car", "dog", "dog"]
    return Detections2D(
        frame_id="",
        stamp_ns=0,
        xyxy_px=np.vstack([boxes, false]),
        score=rng.uniform(0.1, 0.9, len(labels)).round(3),
        labels=tuple(labels),
    )


def judged(seed: int, num: int, jitter_px: float) -> list[JudgedImage]:
    rng = np.random.default_rng(seed)
    truth = [scene(rng) for _ in range(num)]
    return [JudgedImage(truth=one, found=seen(one, rng, jitter_px=jitter_px)) for one in truth]


def once_more(before: list[JudgedImage], rng: np.random.Generator) -> list[JudgedImage]:
    """The same images, seen by a model as good as the first."""
    return [replace(one, found=seen(one.truth, rng, jitter_px=3.0)) for one in before]


def test_agrees_with_coco() -> None:
    """COCO reads the curve at 101 recalls, zero among them, this at 40 above it."""
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    images = judged(0, 30, 4.0)
    truth, found = [one.truth for one in images], [one.found for one in images]
    numbers = {"car": 1, "dog": 2}
    labels = coco.COCO()
    rows = [
        {
            "id": 1 + 100 * i + j,
            "image_id": i,
            "category_id": numbers[name],
            "bbox": [*box[:2], *(box[2:] - box[:2])],
            "area": float(np.prod(box[2:] - box[:2])),
            "iscrowd": 0,
        }
        for i, one in enumerate(truth)
        for j, (box, name) in enumerate(zip(one.xyxy_px, one.labels, strict=True))
    ]
    labels.dataset = {
        "images": [{"id": i} for i in range(len(truth))],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
        "annotations": rows,
    }
    results = [
        {
            "image_id": i,
            "category_id": numbers[name],
            "bbox": [*box[:2], *(box[2:] - box[:2])],
            "score": float(score),
        }
        for i, one in enumerate(found)
        for box, score, name in zip(one.xyxy_px, one.score, one.labels, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        labels.createIndex()
        judge = COCOeval(labels, labels.loadRes(results), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert mean_precision(images) == pytest.approx(judge.stats[0], abs=0.015)


def test_a_worse_model_is_certainly_worse_and_the_same_one_is_not() -> None:
    before = judged(1, 40, 1.0)
    rng = np.random.default_rng(5)
    moved = [one.found.xyxy_px + rng.normal(0, 6, one.found.xyxy_px.shape) for one in before]
    after = [
        replace(one, found=replace(one.found, xyxy_px=boxes))
        for one, boxes in zip(before, moved, strict=True)
    ]
    whole, car, dog = compare_precision(before, after)
    assert (whole.name, car.name, dog.name) == ("all", "car", "dog")
    assert whole.loss == pytest.approx((car.loss + dog.loss) / 2)
    assert whole.num_truth == car.num_truth + dog.num_truth == 240
    for one in (whole, car, dog):
        assert one.high < -0.05
        assert one.low <= -one.loss <= one.high
    for one in compare_precision(before, before):
        assert one.low == one.high == one.loss == 0


def test_intervals_hold_the_true_change_about_as_often_as_they_say() -> None:
    """Two models that are equally good differ by chance alone: zero is nearly always inside."""
    inside = 0
    for seed in range(20):
        before = judged(seed, 30, 3.0)
        after = once_more(before, np.random.default_rng(100 + seed))
        whole: ClassChange = compare_precision(before, after, seed=seed)[0]
        inside += whole.low <= 0 <= whole.high
    assert inside >= 16


def test_ignored_truth_and_regions_count_neither_way() -> None:
    box = np.array([[10.0, 10, 60, 60]])
    far = np.array([[200.0, 200, 260, 260]])
    found = Detections2D(
        frame_id="",
        stamp_ns=0,
        xyxy_px=np.vstack([far, box]),
        score=np.array([0.9, 0.5]),
        labels=("car", "car"),
    )
    both = np.vstack([box, far])

    def precision(truth: ImageLabels) -> float:
        return mean_precision([JudgedImage(truth=truth, found=found)])

    assert precision(labels_of(box, ("car",))) == pytest.approx(0.5)
    around = np.vstack([box, far + np.array([-5, -5, 5, 5])])
    assert precision(labels_of(around, ("car", ""), [False, True])) == 1.0
    assert precision(labels_of(both, ("car", "car"), [False, True])) == 1.0


def test_nothing_to_find() -> None:
    (one,) = judged(0, 1, 1.0)
    empty = [replace(one, truth=labels_of(np.empty((0, 4)), ()))]
    assert mean_precision(empty) == 1.0
    assert compare_precision(empty, empty) == []


def test_a_box_without_area_counts_neither_way() -> None:
    """One beyond the border, cut to nothing, overlaps not even itself."""
    boxes = np.array([[10.0, 10, 60, 60], [0.0, 20, 0, 80]])
    found = Detections2D(
        frame_id="", stamp_ns=0, xyxy_px=boxes, score=np.array([0.5, 0.9]), labels=("car", "car")
    )
    truth = sure_of(found, threshold=0.3)
    assert truth.hard.tolist() == [False, True]
    assert mean_precision([JudgedImage(truth=truth, found=found)]) == 1.0
