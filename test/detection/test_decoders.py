"""Families of networks against references written box by box, on synthetic tensors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_stack.detection.decoders import DECODERS, decoder_for
from perception_stack.detection.manifest import InputSpec, Manifest, RuntimeSpec
from perception_stack.errors import ModelLoadError

LEAST = 0.4
WIDTH_PX, HEIGHT_PX = 96, 64


def manifest(family: str, **changes: Any) -> Manifest:
    usual = Manifest(
        name=family,
        file=Path("model.onnx"),
        family=family,
        input=InputSpec(
            name="images", width_px=WIDTH_PX, height_px=HEIGHT_PX, colour="rgb", resize="stretch"
        ),
        strides=(8, 16, 32),
        outputs=(),
        logits=False,
        classes=("a", "b", "c"),
        class_map={},
        score_threshold=LEAST,
        nms_iou=0.5,
        max_detections=100,
        runtime=RuntimeSpec(),
        licence="",
        card="",
    )
    return replace(usual, **changes)


def tensors(one: Manifest, seed: int = 0) -> list[np.ndarray]:
    """Random outputs of the promised shapes, 20 queries where any number fits, in [0, 1]."""
    rng = np.random.default_rng(seed)
    shapes = decoder_for(one).shapes(one)
    return [
        rng.uniform(0, 1, [20 if size is None else size for size in shape]).astype(np.float32)
        for shape in shapes
    ]


def decoded(one: Manifest, outputs: list[np.ndarray]) -> list[list[float]]:
    """Rows of box, class, score of everything that reaches the least score, in order of size."""
    boxes, scores = decoder_for(one).decode(outputs, one, LEAST)
    assert boxes.dtype == scores.dtype == np.float64
    rows, classes = np.nonzero(scores >= LEAST)
    return sorted([*boxes[i], float(c), scores[i, c]] for i, c in zip(rows, classes, strict=True))


def sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-float(value))))


@pytest.mark.parametrize("logits", [False, True], ids=["probabilities", "logits"])
def test_yolov8_reads_columns(logits: bool) -> None:
    one = manifest("yolov8", logits=logits)
    (raw,) = outputs = tensors(one)
    assert raw.shape == (1, 7, 12 * 8 + 6 * 4 + 3 * 2)
    raw[0, :4] *= 50
    raw[0, 4:] -= 0.5 if logits else 0.0
    expected = []
    for column in range(raw.shape[2]):
        x, y, width, height = (float(one) for one in raw[0, :4, column])
        for index in range(3):
            score = float(raw[0, 4 + index, column])
            score = sigmoid(score) if logits else score
            if score >= LEAST:
                box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
                expected.append([*box, float(index), score])
    assert len(expected) > 20
    np.testing.assert_allclose(decoded(one, outputs), sorted(expected), rtol=1e-12)


@pytest.mark.parametrize("outputs", [("scores", "boxes"), ("boxes", "scores")])
def test_queries_are_shares_of_the_input(outputs: tuple[str, ...]) -> None:
    """RT-DETR before its post-processing, D-FINE, RF-DETR (which gives boxes first)."""
    one = manifest("queries", strides=(), outputs=outputs, logits=True)
    values = tensors(one)
    logits, boxes = (values[outputs.index(role)][0] for role in ("scores", "boxes"))
    logits -= 0.7
    expected = []
    for query in range(20):
        x, y, width, height = (float(one) for one in boxes[query])
        for index in range(3):
            score = sigmoid(logits[query, index])
            if score >= LEAST:
                low = [(x - width / 2) * WIDTH_PX, (y - height / 2) * HEIGHT_PX]
                high = [(x + width / 2) * WIDTH_PX, (y + height / 2) * HEIGHT_PX]
                expected.append([*low, *high, float(index), score])
    assert len(expected) > 20
    np.testing.assert_allclose(decoded(one, values), sorted(expected), rtol=1e-12)


def test_labelled_queries_are_taken_as_they_are() -> None:
    """RT-DETR and D-FINE after their own post-processing."""
    one = manifest("queries", strides=(), outputs=("labels", "boxes", "scores"))
    _, boxes, scores = outputs = tensors(one)
    labels = outputs[0] = np.random.default_rng(1).integers(0, 3, (1, 20))
    expected = [
        [*boxes[0, i].astype(float), float(labels[0, i]), float(scores[0, i])]
        for i in range(20)
        if scores[0, i] >= LEAST
    ]
    assert decoded(one, outputs) == sorted(expected)
    labels[0, np.argmax(scores[0])] = 3
    with pytest.raises(ModelLoadError, match="found label 3, the manifest has classes 0 to 2"):
        decoded(one, outputs)


@pytest.mark.parametrize("logits", [False, True], ids=["probabilities", "logits"])
def test_centernet_boxes_stand_on_peaks(logits: bool) -> None:
    order = ("size", "heatmap", "offset")
    one = manifest("centernet", strides=(4,), outputs=order, logits=logits)
    outputs = tensors(one)
    size, heat, offset = (tensor[0] for tensor in outputs)
    assert heat.shape == (3, 16, 24)
    size *= 10
    expected = []
    for index in range(3):
        for row in range(16):
            for column in range(24):
                around = heat[index, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
                value = float(heat[index, row, column])
                score = sigmoid(value) if logits else value
                if value < around.max() or score < LEAST:
                    continue
                x = column + float(offset[0, row, column])
                y = row + float(offset[1, row, column])
                half_x, half_y = (float(size[i, row, column]) / 2 for i in range(2))
                low, high = [x - half_x, y - half_y], [x + half_x, y + half_y]
                expected.append([4 * value for value in low + high] + [float(index), score])
    assert len(expected) > 60
    np.testing.assert_allclose(decoded(one, outputs), sorted(expected), rtol=1e-12)


def test_yolox_offsets_are_of_cells_and_sizes_are_powers() -> None:
    one = manifest("yolox")
    (raw,) = outputs = tensors(one)
    expected, row = [], 0
    for stride in (8, 16, 32):
        for y in range(HEIGHT_PX // stride):
            for x in range(WIDTH_PX // stride):
                dx, dy, width, height, objectness, *classes = (float(v) for v in raw[0, row])
                row += 1
                center = (x + dx) * stride, (y + dy) * stride
                half = np.exp(width) * stride / 2, np.exp(height) * stride / 2
                box = [*(c - h for c, h in zip(center, half, strict=True)),
                       *(c + h for c, h in zip(center, half, strict=True))]  # fmt: skip
                for index, value in enumerate(classes):
                    if objectness * value >= LEAST:
                        expected.append([*box, float(index), objectness * value])
    assert row == raw.shape[1]
    assert len(expected) > 20
    np.testing.assert_allclose(decoded(one, outputs), sorted(expected), rtol=1e-12)


def test_nanodet_distances_are_means_of_bins() -> None:
    one = manifest("nanodet")
    outputs = tensors(one)
    outputs[3:] = [5 * bins for bins in outputs[3:]]
    expected = []
    for stride, scores, bins in zip((8, 16, 32), outputs[:3], outputs[3:], strict=True):
        for cell in range(scores.shape[1]):
            y, x = divmod(cell, WIDTH_PX // stride)
            powers = np.exp(bins[0, cell].astype(float).reshape(4, 8))
            far = (powers * np.arange(8)).sum(axis=1) / powers.sum(axis=1) * stride
            center = (x + 0.5) * stride, (y + 0.5) * stride
            box = [center[0] - far[0], center[1] - far[1], center[0] + far[2], center[1] + far[3]]
            for index in range(3):
                if scores[0, cell, index] >= LEAST:
                    expected.append([*box, float(index), float(scores[0, cell, index])])
    assert len(expected) > 100
    np.testing.assert_allclose(decoded(one, outputs), sorted(expected), rtol=1e-12)


def test_fastestdet_weighs_objectness_and_class() -> None:
    one = manifest("fastestdet", strides=(16,))
    (raw,) = outputs = tensors(one)
    raw[0, 1:5] = 4 * raw[0, 1:5] - 2
    expected = []
    for y in range(HEIGHT_PX // 16):
        for x in range(WIDTH_PX // 16):
            objectness, dx, dy, width, height, *classes = (float(v) for v in raw[0, :, y, x])
            center_x, center_y = (x + np.tanh(dx)) * 16, (y + np.tanh(dy)) * 16
            half_x, half_y = sigmoid(width) * WIDTH_PX / 2, sigmoid(height) * HEIGHT_PX / 2
            box = [center_x - half_x, center_y - half_y, center_x + half_x, center_y + half_y]
            for index, value in enumerate(classes):
                score = objectness**0.6 * value**0.4
                if score >= LEAST:
                    expected.append([*box, float(index), score])
    assert len(expected) > 20
    np.testing.assert_allclose(decoded(one, outputs), sorted(expected), rtol=1e-12)


def _strides(family: str) -> tuple[int, ...]:
    return {"fastestdet": (16,), "centernet": (4,), "queries": ()}.get(family, (8, 16, 32))


@pytest.mark.parametrize("family", DECODERS)
@pytest.mark.parametrize("seed", range(3))
def test_leaving_out_what_is_weak_loses_nothing_strong(family: str, seed: int) -> None:
    one = manifest(family, strides=_strides(family))
    outputs = tensors(one, seed)
    everything = decoder_for(one).decode(outputs, one, 0.0)
    strong = decoder_for(one).decode(outputs, one, LEAST)
    for boxes, scores in (everything, strong):
        assert len(boxes) == len(scores)
    full, part = (
        np.hstack([boxes, scores])[scores.max(axis=1) >= LEAST]
        for boxes, scores in (everything, strong)
    )
    np.testing.assert_array_equal(full, part)
    assert len(part)


@pytest.mark.parametrize("family", DECODERS)
def test_nothing_strong_is_no_boxes(family: str) -> None:
    one = manifest(family, strides=_strides(family))
    outputs = [np.full_like(tensor, -30) for tensor in tensors(one)]
    boxes, scores = decoder_for(one).decode(outputs, one, LEAST)
    assert (boxes.shape, scores.shape) == ((0, 4), (0, 3))


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("yolov8", {"strides": ()}, "the manifest lacks their strides"),
        ("centernet", {"strides": (4, 8)}, "has one grid, the manifest 2 strides"),
        ("yolox", {"outputs": ("boxes",)}, "are none to be named, not boxes"),
        ("queries", {"outputs": ("boxes", "labels")}, "scores, boxes or labels, boxes, scores"),
    ],
)
def test_manifest_that_a_family_cannot_use(
    family: str, changes: dict[str, Any], message: str
) -> None:
    one = manifest(family, **changes)
    with pytest.raises(ModelLoadError, match=message):
        decoder_for(one).shapes(one)
