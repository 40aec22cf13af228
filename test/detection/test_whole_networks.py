"""NanoDet and FastestDet on real images against plain code from the image to the boxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perception_stack.datatypes import ColorImage, Detections2D
from perception_stack.detection.comparison import Tolerance, compare
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.journal import Journal

cv2 = pytest.importorskip("cv2")
onnxruntime = pytest.importorskip("onnxruntime")

MANIFESTS = Path(__file__).resolve().parent.parent.parent / "config" / "models"
RENAMED = {"person": "pedestrian", "bicycle": "cyclist", "motorbike": "cyclist", "bus": "truck"}
Rows = list[tuple[list[float], float, int]]
Run = Callable[[np.ndarray], list[np.ndarray]]


def nanodet(bgr: np.ndarray, run: Run) -> Rows:
    scale = min(416 / bgr.shape[1], 416 / bgr.shape[0])
    resized = cv2.resize(bgr, (int(bgr.shape[1] * scale), int(bgr.shape[0] * scale)))
    canvas = np.zeros((416, 416, 3))
    canvas[: resized.shape[0], : resized.shape[1]] = resized
    canvas = (canvas - [103.53, 116.28, 123.675]) / [57.375, 57.12, 58.395]
    outputs = run(canvas.transpose(2, 0, 1)[None].astype(np.float32))
    rows: Rows = []
    for stride, scores, bins in zip((8, 16, 32), outputs[:3], outputs[3:], strict=True):
        for cell in np.flatnonzero(scores[0].max(axis=1) >= 0.35):
            y, x = divmod(int(cell), 416 // stride)
            powers = np.exp(bins[0, cell].reshape(4, 8).astype(float))
            far = (powers @ np.arange(8)) / powers.sum(axis=1)
            left, top, right, bottom = (
                (x + 0.5 - far[0]) * stride, (y + 0.5 - far[1]) * stride,
                (x + 0.5 + far[2]) * stride, (y + 0.5 + far[3]) * stride,
            )  # fmt: skip
            box = [one / scale for one in (left, top, right, bottom)]
            index = int(scores[0, cell].argmax())
            rows.append((box, float(scores[0, cell, index]), index))
    return rows


def fastestdet(bgr: np.ndarray, run: Run) -> Rows:
    canvas = cv2.resize(bgr, (352, 352)) / 255
    (raw,) = run(canvas.transpose(2, 0, 1)[None].astype(np.float32))
    height, width = bgr.shape[:2]
    rows: Rows = []
    for y in range(22):
        for x in range(22):
            objectness, dx, dy, wide, high, *classes = raw[0, :, y, x].astype(float)
            score = objectness**0.6 * max(classes) ** 0.4
            if score < 0.5:
                continue
            center_x, center_y = (x + np.tanh(dx)) / 22, (y + np.tanh(dy)) / 22
            half_x, half_y = (0.5 / (1 + np.exp(-one)) for one in (wide, high))
            box = [(center_x - half_x) * width, (center_y - half_y) * height,
                   (center_x + half_x) * width, (center_y + half_y) * height]  # fmt: skip
            rows.append((box, score, int(np.argmax(classes))))
    return rows


def iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (a, b)]
    return common / (sum(areas) - common)


def plain(rows: Rows, bgr: np.ndarray, least_iou: float) -> Detections2D:
    """Cut at the border, best first, what overlaps a better one of its name left out."""
    height, width = bgr.shape[:2]
    names = (MANIFESTS / "coco.txt").read_text().splitlines()
    kept: list[tuple[list[float], float, str]] = []
    for box, score, index in sorted(rows, key=lambda row: -row[1]):
        cut = [min(max(one, 0), most) for one, most in zip(box, [width, height] * 2, strict=True)]
        label = RENAMED.get(names[index], names[index])
        if all(label != other[2] or iou(cut, other[0]) <= least_iou for other in kept):
            kept.append((cut, score, label))
    return Detections2D(
        frame_id="camera",
        stamp_ns=0,
        xyxy_px=np.array([one[0] for one in kept], float).reshape(-1, 4),
        score=np.array([one[1] for one in kept], float),
        labels=tuple(one[2] for one in kept),
    )


@pytest.mark.parametrize(
    ("name", "file", "least_iou", "rows"),
    [
        ("nanodet_m", "nanodet_m.onnx", 0.6, nanodet),
        ("fastestdet", "FastestDet.onnx", 0.45, fastestdet),
    ],
)
def test_boxes_are_those_of_plain_code(
    name: str, file: str, least_iou: float, rows: Callable[..., Rows], data_dir: Path
) -> None:
    folder = data_dir / "checkpoints_2d"
    session = onnxruntime.InferenceSession(str(folder / file), providers=["CPUExecutionProvider"])

    def run(tensor: np.ndarray) -> list[np.ndarray]:
        found: list[np.ndarray] = session.run(None, {"input.1": tensor})
        return found

    config = DetectorConfig(model=str(MANIFESTS / f"{name}.yaml"), model_dir=str(folder))
    detector, num_pairs = Detector(config, Journal()), 0
    for path in sorted((folder / "coco_val2017_images").glob("*.jpg")):
        bgr = cv2.imread(str(path))
        found = detector.detect(ColorImage(frame_id="camera", stamp_ns=0, bgr=bgr))
        wanted = plain(rows(bgr, run), bgr, least_iou)
        same = compare(wanted, found, Tolerance())
        assert same.num_different == 0
        num_pairs += len(same.iou)
    assert num_pairs > 20
