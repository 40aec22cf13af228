"""What instance masks cost beyond the network, beside the plain ways to write it.

From the image message to boxes and one label image, 1280x720, a network with prototypes for
640x640 input and 80 classes (YOLOv8-seg's shapes) that costs nothing: its outputs are given. Masks
are blobs of random size in random places. All on one core, in processor time::

    python benchmarks/detection_masks.py            # 1, 10 and 40 objects
    python benchmarks/detection_masks.py --rounds 100

"PyTorch" is the way of the network's own program: all masks at once, cut at the boxes, blown up to
the input, then to the image. "OpenCV" is that of most examples without PyTorch: a sigmoid and a
resize to the image for each object. Boxes are the same, and masks must overlap.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from detection import plain_suppression

from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.io import messages
from perception_stack.journal import Journal
from perception_stack.tools.console import say, table

WIDTH_PX, HEIGHT_PX, INPUT_PX = 1280, 720, 640
NUM_CLASSES, NUM_PROTOTYPES, SCORE, IOU = 80, 32, 0.3, 0.45
INNER_PX = (640, 360)
TOP_PX = (INPUT_PX - INNER_PX[1]) // 2
Masks = tuple[np.ndarray, np.ndarray]  # boxes [N, 4], label image


def some_outputs(num: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What the network says of an image with some objects; each is seen by three cells."""
    cells = np.zeros((1, 4 + NUM_CLASSES + NUM_PROTOTYPES, 8400), np.float32)
    cells[0, 4 : 4 + NUM_CLASSES] = rng.uniform(0, 0.1, (NUM_CLASSES, 8400))
    prototypes = rng.normal(size=(NUM_PROTOTYPES, 160, 160)).astype(np.float32)
    for one in prototypes:
        one[:] = 20 * cv2.GaussianBlur(one, (0, 0), 6)
    places = rng.choice(8400 // 3, num, replace=False) * 3
    for place in places:
        size = np.exp(rng.uniform(np.log(30), np.log(300), 2))
        center = rng.uniform([0, TOP_PX], [INPUT_PX, TOP_PX + INNER_PX[1]])
        weights, label = rng.normal(size=NUM_PROTOTYPES), rng.integers(NUM_CLASSES)
        for offset in range(3):
            cell = cells[0, :, place + offset]
            cell[:4] = [*(center + rng.normal(size=2)), *size]
            cell[4 + label] = 0.9 - 0.1 * offset + rng.uniform(0, 0.05)
            cell[4 + NUM_CLASSES :] = weights
    return cells, prototypes[None]


def plain_input(message: Any) -> np.ndarray:
    bgr = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
    canvas = np.full((INPUT_PX, INPUT_PX, 3), 114, np.uint8)
    canvas[TOP_PX : TOP_PX + INNER_PX[1]] = cv2.resize(bgr, INNER_PX)
    rgb = canvas[:, :, ::-1].transpose(2, 0, 1)[None]
    return np.ascontiguousarray(rgb, dtype=np.float32) / 255


def plain_boxes(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes in the input and weights of the prototypes, best first."""
    rows = raw.T
    scores = rows[:, 4 : 4 + NUM_CLASSES]
    best, score = scores.argmax(axis=1), scores.max(axis=1)
    strong = score >= SCORE
    rows, best, score = rows[strong], best[strong], score[strong]
    half = rows[:, 2:4] / 2
    boxes = np.hstack([rows[:, :2] - half, rows[:, :2] + half])
    kept = [
        row
        for index in np.unique(best)
        for row in plain_suppression(boxes, score, np.flatnonzero(best == index))
    ]
    kept = sorted(kept, key=lambda row: -score[row])
    return boxes[kept], rows[kept, 4 + NUM_CLASSES :]


def to_image(boxes: np.ndarray) -> np.ndarray:
    scale = INNER_PX[0] / WIDTH_PX
    moved = (boxes - [0, TOP_PX, 0, TOP_PX]) / scale
    return np.clip(moved, 0, [WIDTH_PX, HEIGHT_PX] * 2)


def with_torch(cells: np.ndarray, prototypes: np.ndarray) -> Masks:
    boxes, weights = plain_boxes(cells[0])
    protos = torch.from_numpy(prototypes[0])
    masks = (torch.from_numpy(weights) @ protos.view(NUM_PROTOTYPES, -1)).view(-1, 160, 160)
    left, top, right, bottom = torch.from_numpy(boxes / 4)[:, :, None, None].unbind(1)
    column = torch.arange(160)[None, None, :]
    row = torch.arange(160)[None, :, None]
    masks = masks * ((column >= left) & (column < right) & (row >= top) & (row < bottom))
    size = (INPUT_PX, INPUT_PX)
    masks = torch.nn.functional.interpolate(masks[None], size, mode="bilinear")[0] > 0
    masks = masks[:, TOP_PX : TOP_PX + INNER_PX[1]].float()
    size = (HEIGHT_PX, WIDTH_PX)
    masks = torch.nn.functional.interpolate(masks[None], size, mode="bilinear")[0] > 0.5
    return to_image(boxes), laid_over(masks.numpy())


def with_opencv(cells: np.ndarray, prototypes: np.ndarray) -> Masks:
    boxes, weights = plain_boxes(cells[0])
    found = to_image(boxes)
    coarse = weights @ prototypes[0].reshape(NUM_PROTOTYPES, -1)
    coarse = 1 / (1 + np.exp(-coarse.reshape(-1, 160, 160)))
    first, last = TOP_PX // 4, (TOP_PX + INNER_PX[1]) // 4
    masks = np.zeros((len(boxes), HEIGHT_PX, WIDTH_PX), bool)
    for i, one in enumerate(coarse):
        left, top, right, bottom = np.rint(found[i]).astype(int)
        whole = cv2.resize(one[first:last], (WIDTH_PX, HEIGHT_PX))
        masks[i, top:bottom, left:right] = whole[top:bottom, left:right] > 0.5
    return found, laid_over(masks)


def laid_over(masks: np.ndarray) -> np.ndarray:
    labels = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint16)
    for i in range(len(masks) - 1, -1, -1):
        labels[masks[i]] = i + 1
    return labels


def our_detector() -> Detector:
    content = {
        "name": "masks", "file": "model.onnx", "family": "yolov8_seg", "strides": [8, 16, 32],
        "input": {
            "name": "images", "width_px": INPUT_PX, "height_px": INPUT_PX, "colour": "rgb",
            "resize": "letterbox_center", "std": [255, 255, 255],
        },
        "classes": [f"class {i}" for i in range(NUM_CLASSES)],
        "licence": "none", "card": "none", "score_threshold": SCORE, "nms_iou": IOU,
    }  # fmt: skip
    from perception_stack import networks

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.yaml"
        path.write_text(yaml.safe_dump(content))
        empty = some_outputs(0, np.random.default_rng(0))
        networks.load = lambda *_: SimpleNamespace(size=1, run=lambda _: list(empty))
        return Detector(DetectorConfig(model=str(path)), Journal())


def measure(num: int, rounds: int) -> list[tuple[object, ...]]:
    rng = np.random.default_rng(num)
    bgr = rng.integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)
    message = SimpleNamespace(
        header=SimpleNamespace(frame_id="camera", stamp=SimpleNamespace(sec=0, nanosec=0)),
        width=WIDTH_PX, height=HEIGHT_PX, encoding="bgr8", is_bigendian=0, step=3 * WIDTH_PX,
        data=bgr.tobytes(),
    )  # fmt: skip
    outputs: list[np.ndarray] = []
    ours = our_detector()
    ours._model = SimpleNamespace(size=1, run=lambda _: outputs)

    def detect() -> Masks:
        found = ours.detect(messages.image_from_msg(message))
        return found.xyxy_px, found.mask

    def plain(masks: Callable[[np.ndarray, np.ndarray], Masks]) -> Callable[[], Masks]:
        def run() -> Masks:
            plain_input(message)
            return masks(*outputs)

        return run

    arms = {"PyTorch": plain(with_torch), "OpenCV": plain(with_opencv), "ours": detect}
    spent: dict[str, list[float]] = {name: [] for name in (*arms, "resize")}
    overlaps: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        outputs[:] = some_outputs(num, rng)
        truth = with_opencv(*outputs)
        for name, arm in arms.items():
            arm()
            start = time.process_time()
            boxes, labels = arm()
            spent[name].append(1e3 * (time.process_time() - start))
            np.testing.assert_allclose(boxes, truth[0], atol=1e-2)
            both = np.count_nonzero((labels == truth[1]) & (labels > 0))
            if union := np.count_nonzero(labels | truth[1]):
                overlaps[name].append(both / union)
        start = time.process_time()
        cv2.resize(bgr, INNER_PX)
        spent["resize"].append(1e3 * (time.process_time() - start))
    medians = {name: float(np.median(many)) for name, many in spent.items()}
    resize = medians.pop("resize")
    return [
        (
            num, name, value, value - resize,
            (medians["ours"] - resize) / (value - resize), float(np.mean(overlaps[name])),
        )
        for name, value in medians.items()
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rows = [row for num in (1, 10, 40) for row in measure(num, args.rounds)]
    header = ("objects", "arm", "ms", "beyond the resize", "ours of it", "as OpenCV's")
    say(table(header, rows))


if __name__ == "__main__":
    main()
