"""From maps to boxes: codes there and back, duplicates, and the boxes that were published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.geometry.overlap import iou_bev
from perception_stack.pillars.coding import (
    anchor_boxes,
    decode_anchors,
    decode_centers,
    encode_anchors,
    encode_centers,
)
from perception_stack.pillars.manifest import load_manifest
from perception_stack.pillars.reading import MapReader, as_boxes, without_duplicates
from perception_stack.pillars.spec import AnchorHead, CenterHead, Manifest

MODELS = Path(__file__).resolve().parents[2] / "config" / "models"


def random_boxes(rng: np.random.Generator, num: int, spread_m: float = 3.0) -> np.ndarray:
    boxes = rng.uniform(-spread_m, spread_m, (num, 7))
    boxes[:, 3:6] = rng.uniform(0.4, 5.0, (num, 3))
    boxes[:, 6] = rng.uniform(-np.pi, np.pi, num)
    return boxes


def turned(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs((a - b + np.pi) % (2 * np.pi) - np.pi)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_anchor_codes_there_and_back(library: str) -> None:
    xp = pytest.importorskip(library)
    as_array = xp.asarray
    rng = np.random.default_rng(0)
    boxes, anchors = random_boxes(rng, 50), random_boxes(rng, 50)
    codes = encode_anchors(xp, as_array(boxes), as_array(anchors))
    direction = np.floor(((boxes[:, 6] - 0.785) % (2 * np.pi)) / np.pi)
    back = np.asarray(decode_anchors(xp, codes, as_array(anchors), as_array(direction), 0.785))
    np.testing.assert_allclose(back[:, :6], boxes[:, :6], atol=1e-9)
    assert turned(back[:, 6], boxes[:, 6]).max() < 1e-9


@pytest.mark.parametrize("heading", ["yaw", "axis"])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_center_codes_there_and_back(library: str, heading: str, make_manifest) -> None:
    xp = pytest.importorskip(library)
    head = {"tasks": [2], "shared_channels": 4, "heading": heading}
    manifest = make_manifest("centerpoint", head=head)
    assert isinstance(manifest.head, CenterHead)
    boxes = random_boxes(np.random.default_rng(1), 20)
    cells = xp.asarray(np.arange(20) % 24)
    codes = encode_centers(xp, xp.asarray(boxes), cells, manifest, manifest.head)
    back = np.asarray(decode_centers(xp, codes, cells, manifest, manifest.head))
    np.testing.assert_allclose(back[:, :6], boxes[:, :6], atol=1e-9)
    error = turned(back[:, 6], boxes[:, 6])
    if heading == "axis":  # either end may be the front
        error = np.minimum(error, np.pi - error)
    assert error.max() < 1e-9


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), spread_m=st.sampled_from([0.0, 0.5, 3.0]))
def test_torch_overlaps_are_those_of_the_compiled_kernels(seed: int, spread_m: float) -> None:
    torch = pytest.importorskip("torch")
    from perception_stack.pillars.overlap_torch import iou_bev_torch

    rng = np.random.default_rng(seed)
    a, b = random_boxes(rng, 9, spread_m), random_boxes(rng, 7, spread_m)
    b[0] = a[0]  # the same box
    b[1, :6], b[1, 6] = a[1, :6], a[1, 6] + np.pi  # turned by half
    b[2, 6] = a[2, 6] = 0.0  # parallel sides
    found = iou_bev_torch(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_allclose(found, iou_bev(as_boxes(a), as_boxes(b)), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), num=st.integers(0, 60))
def test_torch_keeps_the_rows_that_the_loop_keeps(seed: int, num: int) -> None:
    torch = pytest.importorskip("torch")
    from perception_stack.pillars.overlap_torch import without_duplicates_torch

    rng = np.random.default_rng(seed)
    boxes, group = random_boxes(rng, num, 6.0), rng.integers(0, 2, num)
    there = without_duplicates_torch(torch.from_numpy(boxes), torch.from_numpy(group), iou=0.1)
    np.testing.assert_array_equal(there.numpy(), without_duplicates(boxes, group, iou=0.1))


def test_a_row_that_fell_suppresses_nobody() -> None:
    a = [0.0, 0, 0, 4, 2, 1, 0]
    row = np.array([a, [1.5, *a[1:]], [3.0, *a[1:]]])
    # the middle one overlaps both, the outer ones hardly each other
    assert without_duplicates(row, np.zeros(3, np.int64), iou=0.3).tolist() == [0, 2]


def maps_saying(manifest: Manifest, boxes: np.ndarray, label: np.ndarray, score: np.ndarray):
    """Maps of PointPillars in which the nearest prior boxes say these boxes, and nothing else."""
    head = manifest.head
    assert isinstance(head, AnchorHead)
    num, (rows, cols) = head.num_per_cell, manifest.map_size
    num_classes = len(manifest.classes)
    scores = np.full((rows * cols, num, num_classes), -20.0)
    codes, directions = np.zeros((rows * cols, num, 7)), np.zeros((rows * cols, num, 2))
    prior = anchor_boxes(manifest, head)
    for box, one, sure in zip(boxes, label, score, strict=True):
        distance = np.linalg.norm(prior[:, :2] - box[:2], axis=1)
        distance[np.abs(np.sin(prior[:, 6] - box[6])) > 0.75] += 1.0
        row = int(np.argmin(distance + 10 * (np.arange(len(prior)) % num // 2 != one)))
        cell, anchor = divmod(row, num)
        scores[cell, anchor, one] = np.log(sure / (1 - sure))
        codes[cell, anchor] = encode_anchors(np, box[None], prior[[row]])[0]
        half = int(((box[6] - head.direction_offset_rad) % (2 * np.pi)) // np.pi)
        directions[cell, anchor] = np.eye(2)[half]
    return [
        one.reshape(rows, cols, -1).transpose(2, 0, 1)[None].astype(np.float32)
        for one in (scores, codes, directions)
    ]


def published(data_dir: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, labels and scores of the published network on frame 000134, in our convention."""
    folder = data_dir / "kitti_object" / "pointpillars_reference_000134"
    x, y, z, width, length, height, yaw, score, label = np.loadtxt(folder / f"{name}.txt").T
    boxes = np.stack([x, y, z + height / 2, length, width, height, -yaw - np.pi / 2], axis=1)
    return boxes, label.astype(np.int64), score


@pytest.mark.parametrize("backend", ["pytorch", "onnx", "trt", "trt-fp16"])
def test_published_boxes_come_out_of_maps_that_say_them(backend: str, data_dir: Path) -> None:
    manifest = load_manifest(MODELS / "pointpillars_kitti_zhulf0804.yaml")
    boxes, label, score = published(data_dir, backend)
    strong = score > manifest.reading.score_threshold + 1e-3
    boxes, label, score = boxes[strong], label[strong], score[strong]
    found = MapReader(manifest).read(maps_saying(manifest, boxes, label, score))
    assert len(found.score) == len(boxes)
    order = np.argsort(-score, kind="stable")
    np.testing.assert_allclose(found.score, score[order], atol=2e-4)
    for box, one in zip(found.boxes, found.label, strict=True):
        same = np.flatnonzero(label == one)
        nearest = same[np.linalg.norm(boxes[same, :3] - box[:3], axis=1).argmin()]
        np.testing.assert_allclose(box[:6], boxes[nearest, :6], atol=1e-4)
        assert turned(box[6], boxes[nearest, 6]) < 1e-4


def test_published_boxes_lie_on_the_labelled_objects(data_dir: Path) -> None:
    """The conventions of the layout, held against labels: sides, height and heading."""
    from perception_stack.geometry.boxes import transform_boxes
    from perception_stack.io.kitti.calibration import read_calibration
    from perception_stack.io.kitti.labels import read_object_labels

    root = data_dir / "kitti_object" / "training"
    calibration = read_calibration(root / "calib" / "000134.txt")
    truth = read_object_labels(root / "label_2" / "000134.txt", stamp_ns=0).boxes
    truth = transform_boxes(truth, calibration.rect_from_velodyne.inverse())
    boxes, label, _ = published(data_dir, "pytorch")
    names = np.array(["pedestrian", "cyclist", "car"])[label]
    overlap = iou_bev(replace(truth, frame_id=""), as_boxes(boxes))
    overlap *= np.array(truth.labels)[:, None] == names[None]
    matched = overlap.max(axis=1) > 0.3
    assert matched.sum() >= 8


def test_threshold_and_limits_hold(small: Manifest) -> None:
    reader = MapReader(small)
    maps = [np.full(shape, -9.0, np.float32) for shape in reader.shapes()]
    assert len(reader.read(maps).score) == 0
    maps[0][0, 0, 0, 0] = 1.0
    assert len(reader.read(maps).score) == 1
    assert len(reader.read(maps, threshold=0.9).score) == 0
