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
            name="images",
            width_px=WIDTH_PX,
            height_px=HEIGHT_PX,
            colour="rgb",
            resize="letterbox" if family == "yolov8_obb" else "stretch",
        ),
        strides={"fastestdet": (16,), "centernet": (4,), "queries": (), "mask_rcnn": ()}.get(
            family, (8, 16, 32)
        ),
        outputs=(),
        logits=False,
        classes=("a", "b", "c"),
        prompts=None,
        keypoints=("nose", "tail") if family == "yolov8_pose" else (),
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
    found = decoder_for(one).decode(outputs, one, LEAST)
    boxes, scores = found.boxes, found.scores
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


def test_pose_puts_keypoints_behind_the_classes() -> None:
    one = manifest("yolov8_pose")
    (raw,) = outputs = tensors(one)
    assert raw.shape[1] == 4 + 3 + 2 * 3
    found = decoder_for(one).decode(outputs, one, LEAST)
    columns = [i for i in range(raw.shape[2]) if max(raw[0, 4:7, i]) >= LEAST]
    assert found.keypoints is not None
    for row, column in enumerate(columns):
        nose, tail = raw[0, 7:10, column], raw[0, 10:13, column]
        np.testing.assert_array_equal(found.keypoints[row], [nose, tail])
    assert len(found.keypoints) == len(columns) > 20


def test_oriented_boxes_have_their_angle_last() -> None:
    one = manifest("yolov8_obb")
    (raw,) = outputs = tensors(one)
    raw[0, 7] = np.linspace(-np.pi / 4, 3 * np.pi / 4, raw.shape[2])
    found = decoder_for(one).decode(outputs, one, LEAST)
    columns = [i for i in range(raw.shape[2]) if max(raw[0, 4:7, i]) >= LEAST]
    assert found.rotated is not None
    np.testing.assert_allclose(found.rotated, raw[0][[0, 1, 2, 3, 7]][:, columns].T, atol=1e-6)
    for (x, y, width, height, angle), box in zip(found.rotated, found.boxes, strict=True):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = np.array([[i * width / 2, j * height / 2] for i in (-1, 1) for j in (-1, 1)])
        corners = corners @ turn.T + [x, y]
        np.testing.assert_allclose(box, [*corners.min(axis=0), *corners.max(axis=0)])


def test_prototypes_are_summed_by_the_weights_of_the_cell() -> None:
    one = manifest("yolov8_seg")
    cells, prototypes = outputs = tensors(one)
    assert prototypes.shape == (1, 32, HEIGHT_PX // 4, WIDTH_PX // 4)
    found = decoder_for(one).decode(outputs, one, LEAST)
    columns = [i for i in range(cells.shape[2]) if max(cells[0, 4:7, i]) >= LEAST]
    whole = np.array([0.0, 0, WIDTH_PX, HEIGHT_PX])
    for row, column in enumerate(columns[:5]):
        assert found.masks is not None
        (values,), (edges,) = found.masks.grids(np.array([row]), whole[None])
        weights = cells[0, 7:, column].astype(float)
        np.testing.assert_allclose(values, np.tensordot(weights, prototypes[0], 1), rtol=1e-5)
        np.testing.assert_array_equal(edges, whole)
        # a box needs its own cells and those that interpolation touches, and no others
        box = np.array([[41.0, 22, 59, 37]])
        (values,), (edges,) = found.masks.grids(np.array([row]), box)
        np.testing.assert_array_equal(edges, [36, 20, 64, 40])
        part = np.tensordot(weights, prototypes[0, :, 5:10, 9:16], 1)
        np.testing.assert_allclose(values, part, rtol=1e-5)


@pytest.mark.parametrize("outputs", [("scores", "boxes", "masks"), ("boxes", "scores", "masks")])
def test_query_masks_cover_the_input(outputs: tuple[str, ...]) -> None:
    """RF-DETR-seg."""
    one = manifest("queries", outputs=outputs, logits=True)
    values = tensors(one)
    values[2] = np.random.default_rng(0).normal(size=(1, 20, 16, 24)).astype(np.float32)
    values[outputs.index("scores")] -= 0.7
    found = decoder_for(one).decode(values, one, LEAST)
    rows = np.flatnonzero(values[outputs.index("scores")][0].max(axis=1) >= np.log(0.4 / 0.6))
    assert len(rows) > 5
    assert found.masks is not None
    for row, query in enumerate(rows):
        whole = np.array([[0.0, 0, WIDTH_PX, HEIGHT_PX]])
        (grid,), (edges,) = found.masks.grids(np.array([row]), whole)
        np.testing.assert_array_equal(grid, values[2][0, query])
        np.testing.assert_array_equal(edges, [0, 0, WIDTH_PX, HEIGHT_PX])


@pytest.mark.parametrize("kind", ["boxes", "dets", "whole"])
def test_mask_rcnn_masks_lie_over_their_boxes_or_the_input(kind: str) -> None:
    rng = np.random.default_rng(0)
    boxes = np.sort(rng.uniform(0, 60, (6, 2, 2)), axis=1).reshape(6, 4).astype(np.float32)
    score = np.array([0.9, 0.1, 0.8, 0.7, 0.2, 0.6], np.float32)
    labels = np.array([1, 2, 0, 2, 1, 1], np.int64)
    size = (HEIGHT_PX, WIDTH_PX) if kind == "whole" else (28, 28)
    masks = rng.uniform(0, 1, (6, 1, *size)).astype(np.float32)
    if kind == "dets":
        one = manifest("mask_rcnn", outputs=("dets", "labels", "masks"))
        outputs = [np.hstack([boxes, score[:, None]])[None], labels[None], masks[None, :, 0]]
    else:
        one = manifest("mask_rcnn")
        outputs = [boxes, labels, score, masks]
    found = decoder_for(one).decode(outputs, one, LEAST)
    rows = [0, 2, 3, 5]
    np.testing.assert_array_equal(found.boxes, boxes[rows])
    np.testing.assert_array_equal(found.scores.argmax(axis=1), labels[rows])
    np.testing.assert_allclose(found.scores.max(axis=1), score[rows], rtol=1e-6)
    assert found.masks is not None
    box = np.array([0.0, 0, WIDTH_PX, HEIGHT_PX]) if kind == "whole" else found.boxes[2]
    (grid,), (edges,) = found.masks.grids(np.array([2]), box[None])
    np.testing.assert_array_equal(edges, box)
    np.testing.assert_allclose(grid, masks[3, 0] - 0.5, atol=1e-6)


@pytest.mark.parametrize("family", DECODERS)
def test_what_is_no_number_is_not_passed_over(family: str) -> None:
    """It stays among the candidates, where it is counted."""
    one = manifest(family)
    outputs = [np.full_like(tensor, np.nan) for tensor in tensors(one)]
    if family == "mask_rcnn":
        outputs[1][:] = 0  # labels are whole numbers
    found = decoder_for(one).decode(outputs, one, LEAST)
    assert len(found.boxes) > 0
    assert np.isnan(found.scores).any(axis=1).all()


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


@pytest.mark.parametrize("family", DECODERS)
@pytest.mark.parametrize("seed", range(3))
def test_leaving_out_what_is_weak_loses_nothing_strong(family: str, seed: int) -> None:
    one = manifest(family)
    outputs = tensors(one, seed)
    if family == "mask_rcnn":
        outputs[1] = np.floor(3 * outputs[1])
    everything, strong = (
        (found.boxes, found.scores)
        for found in (decoder_for(one).decode(outputs, one, least) for least in (0.0, LEAST))
    )
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
    one = manifest(family)
    outputs = [np.full_like(tensor, -30) for tensor in tensors(one)]
    found = decoder_for(one).decode(outputs, one, LEAST)
    assert (found.boxes.shape, found.scores.shape) == ((0, 4), (0, 3))


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("yolov8", {"strides": ()}, "the manifest lacks their strides"),
        ("centernet", {"strides": (4, 8)}, "has one grid, the manifest 2 strides"),
        (
            "yolov8_obb",
            {
                "input": InputSpec(
                    name="i", width_px=8, height_px=8, colour="rgb", resize="stretch"
                )
            },
            "resize by a letterbox",
        ),
        ("yolox", {"outputs": ("boxes",)}, "are none to be named, not boxes"),
        ("yolov8_pose", {"keypoints": ()}, "needs the names of its keypoints"),
        ("yolox", {"keypoints": ("nose",)}, "has no keypoints"),
        (
            "queries",
            {"outputs": ("boxes", "labels")},
            "scores, boxes, masks or labels, boxes, scores",
        ),
    ],
)
def test_manifest_that_a_family_cannot_use(
    family: str, changes: dict[str, Any], message: str
) -> None:
    one = manifest(family, **changes)
    with pytest.raises(ModelLoadError, match=message):
        decoder_for(one).shapes(one)
