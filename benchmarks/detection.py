"""The image detector beside the plain use of the same runtime, and what it costs around it.

"Plain" is what a tutorial does: a session with its defaults, the image padded, cast and turned in
NumPy, every cell decoded, boxes suppressed class by class in a loop. Both find the same boxes,
which is checked. Images are those of COCO in the data, at 1280x720::

    python benchmarks/detection.py --data ../shared/data              # all tables
    python benchmarks/detection.py --data ../shared/data --only settings

``settings`` is where ``runtime`` of the manifests comes from. Each arm runs in a process of its
own, as idle threads of one session take time from another, and arms take turns.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import yaml

from perception_stack.datatypes import Detections2D
from perception_stack.detection.comparison import Tolerance, compare
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.io import messages
from perception_stack.journal import Journal
from perception_stack.tools.console import say, table

MODELS = Path(__file__).resolve().parent.parent / "config" / "models"
WIDTH_PX, HEIGHT_PX = 1280, 720
INPUT_PX, SCORE, IOU = 416, 0.3, 0.45
SETTINGS: dict[str, dict[str, Any]] = {
    "1 thread": {"num_threads": 1},
    "2 threads, no spin": {"num_threads": 2, "spin_us": 0},
    "2 threads, 20 us": {"num_threads": 2, "spin_us": 20},
    "2 threads, 100 us": {"num_threads": 2, "spin_us": 100},
    "2 threads, 10 ms": {"num_threads": 2, "spin_us": 10000},
}
# threads of the arm before spin for a while after its turn
_REST_S = 0.1
PLAIN, PLAIN_SET = "plain", "plain, our settings"


def plain_input(bgr: np.ndarray) -> tuple[np.ndarray, float]:
    height, width = bgr.shape[:2]
    scale = min(INPUT_PX / height, INPUT_PX / width)
    resized = cv2.resize(bgr, (int(width * scale), int(height * scale)))
    canvas = np.full((INPUT_PX, INPUT_PX, 3), 114, dtype=np.uint8)
    canvas[: resized.shape[0], : resized.shape[1]] = resized
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], dtype=np.float32), scale


def plain_boxes(raw: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, scores and classes of YOLOX, every cell decoded."""
    cells, strides = [], []
    for stride in (8, 16, 32):
        num = INPUT_PX // stride
        x, y = np.meshgrid(np.arange(num), np.arange(num))
        cells.append(np.stack((x, y), 2).reshape(-1, 2))
        strides.append(np.full((num * num, 1), stride))
    stride = np.concatenate(strides)
    center = (raw[:, :2] + np.concatenate(cells)) * stride
    half = np.exp(raw[:, 2:4]) * stride / 2
    boxes = np.hstack([center - half, center + half]) / scale
    scores = raw[:, 4:5] * raw[:, 5:]
    best = scores.argmax(axis=1)
    score = scores.max(axis=1)
    kept = [
        row
        for index in np.unique(best[score >= SCORE])
        for row in plain_suppression(
            boxes, score, np.flatnonzero((best == index) & (score >= SCORE))
        )
    ]
    return boxes[kept], score[kept], best[kept]


def plain_suppression(boxes: np.ndarray, score: np.ndarray, rows: np.ndarray) -> list[int]:
    kept = []
    rows = rows[np.argsort(-score[rows])]
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    while len(rows):
        first, rows = rows[0], rows[1:]
        kept.append(int(first))
        low = np.maximum(boxes[first, :2], boxes[rows, :2])
        high = np.minimum(boxes[first, 2:], boxes[rows, 2:])
        common = np.prod(np.maximum(high - low, 0), axis=1)
        rows = rows[common / (area[first] + area[rows] - common) <= IOU]
    return kept


def plain_detector(run: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any], Detections2D]:
    """From the message to the boxes, given how the network is run."""
    labels = (MODELS / "coco.txt").read_text().split("\n")

    def detect(message: Any) -> Detections2D:
        bgr = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        tensor, scale = plain_input(bgr)
        boxes, score, classes = plain_boxes(run(tensor), scale)
        return Detections2D(
            frame_id="camera",
            stamp_ns=0,
            xyxy_px=np.clip(boxes, 0, [WIDTH_PX, HEIGHT_PX] * 2).astype(np.float64),
            score=score.astype(np.float64),
            labels=tuple(labels[i] for i in classes),
        )

    return detect


def our_detector(data: Path, runtime: dict[str, Any] | None = None) -> Detector:
    """YOLOX-Nano by its manifest, with COCO's own names, or with other settings."""
    content = yaml.safe_load((MODELS / "yolox_nano.yaml").read_text()) | {"class_map": {}}
    content["classes"] = [one for one in (MODELS / "coco.txt").read_text().split("\n") if one]
    if runtime is not None:
        content["runtime"] = runtime
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.yaml"
        path.write_text(yaml.safe_dump(content))
        config = DetectorConfig(
            model=str(path), model_dir=str(data / "checkpoints_2d"), backend="onnxruntime"
        )
        return Detector(config, Journal())


def image_messages(data: Path) -> list[Any]:
    """The images as messages of ROS."""
    stamp = SimpleNamespace(sec=0, nanosec=0)
    found = []
    for path in sorted((data / "checkpoints_2d" / "coco_val2017_images").glob("*.jpg")):
        bgr = cv2.resize(cv2.imread(str(path)), (WIDTH_PX, HEIGHT_PX))
        found.append(
            SimpleNamespace(
                header=SimpleNamespace(frame_id="camera", stamp=stamp),
                width=WIDTH_PX,
                height=HEIGHT_PX,
                encoding="bgr8",
                is_bigendian=0,
                step=3 * WIDTH_PX,
                data=bgr.tobytes(),
            )
        )
    return found


def session(
    data: Path, *, num_threads: int = 0, spin_us: int = 0
) -> Callable[[np.ndarray], np.ndarray]:
    """The network as a tutorial runs it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = num_threads
    if spin_us:
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(spin_us))
    path = str(data / "checkpoints_2d" / "yolox_nano.onnx")
    opened = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda tensor: opened.run(None, {"images": tensor})[0][0]


def work(name: str, data: Path, pipe: Connection) -> None:
    """One arm in its own process: every image once, whenever asked."""
    inputs = image_messages(data)
    detect: Callable[[Any], Detections2D]
    if name == PLAIN:
        detect = plain_detector(session(data))
    elif name == PLAIN_SET:
        detect = plain_detector(session(data, num_threads=2, spin_us=20))
    else:
        detector = our_detector(data, SETTINGS.get(name))

        def detect(message: Any) -> Detections2D:
            return detector.detect(messages.image_from_msg(message))

    pipe.send([detect(one) for one in inputs])
    while pipe.recv():
        detect(inputs[0])
        wall_s, spent_s = time.perf_counter(), time.process_time()
        for one in inputs:
            detect(one)
        wall_s, spent_s = time.perf_counter() - wall_s, time.process_time() - spent_s
        pipe.send((1e3 * wall_s / len(inputs), 1e3 * spent_s / len(inputs)))


def burn() -> None:
    """Something else that wants the processor."""
    while True:
        sum(range(10_000))


def in_turns(names: list[str], data: Path, rounds: int, *, load: int) -> None:
    """Whole images through each arm; times are those of the median round.

    Args:
        names: Arms; the first one is what the others are compared with.
        data: Folder of the data.
        rounds: Times that each arm gets its turn.
        load: Processes beside it that never rest.
    """
    context = multiprocessing.get_context("spawn")
    pipes, found = {}, {}
    for name in names:
        pipes[name], theirs = context.Pipe()
        context.Process(target=work, args=(name, data, theirs), daemon=True).start()
        found[name] = pipes[name].recv()
    others = [context.Process(target=burn, daemon=True) for _ in range(load)]
    for one in others:
        one.start()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, pipe in pipes.items():
            time.sleep(_REST_S)
            pipe.send(True)
            times[name].append(pipe.recv())
    for one in others:
        one.kill()
    rows = []
    base = np.array(times[names[0]])
    for name, pipe in pipes.items():
        pipe.send(False)
        many = np.array(times[name])
        different = sum(
            compare(a, b, Tolerance(threshold=SCORE)).num_different
            for a, b in zip(found[names[0]], found[name], strict=True)
        )
        ratio = float(np.median(many[:, 0] / base[:, 0]))
        wall, spent = np.median(many, axis=0)
        rows.append((name, float(wall), float(many[:, 0].min()), float(spent), ratio, different))
    header = ("arm", "ms", "least ms", "CPU ms", f"of {names[0]}", "boxes that differ")
    say(table(header, rows))


def wrapper(data: Path, rounds: int) -> None:
    """All but network and resize, on one core, in processor time."""
    cv2.setNumThreads(1)
    inputs = image_messages(data)
    run = session(data, num_threads=1)
    raw = [run(plain_input(messages.image_from_msg(one).bgr)[0]) for one in inputs]
    current: list[np.ndarray] = []
    ours = our_detector(data)
    # the network costs nothing
    ours._model = SimpleNamespace(batch=1, run=lambda _: [current[0][None]])
    arms: dict[str, Callable[[Any], object]] = {
        PLAIN: plain_detector(lambda _: current[0]),
        "perception_stack": lambda one: ours.detect(messages.image_from_msg(one)),
        "resize alone": lambda one: cv2.resize(messages.image_from_msg(one).bgr, (416, 234)),
    }
    spent: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for message, output in zip(inputs, raw, strict=True):
            current[:] = [output]
            for name, arm in arms.items():
                arm(message)
                start = time.process_time()
                arm(message)
                spent[name].append(1e3 * (time.process_time() - start))
    medians = {name: float(np.median(many)) for name, many in spent.items()}
    resize = medians.pop("resize alone")
    beyond = {name: value - resize for name, value in medians.items()}
    rows = [(name, medians[name], value, value / beyond[PLAIN]) for name, value in beyond.items()]
    say(f"resize to 416x234 alone: {resize:.3f} ms")
    say(table(("arm", "ms", "beyond the resize", f"of {PLAIN}"), rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the sensor data")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", choices=("images", "wrapper", "settings"))
    args = parser.parse_args()
    tables = {"images": [PLAIN, PLAIN_SET, "perception_stack"], "settings": [*SETTINGS]}
    for what, names in tables.items():
        if args.only in (None, what):
            for load in (0, 1, 2):
                say(f"\n{what}: from the message to the boxes, {load} busy processes beside it")
                in_turns(names, args.data, args.rounds, load=load)
    if args.only in (None, "wrapper"):
        say("\nwrapper: all but the network, one core")
        wrapper(args.data, args.rounds)


if __name__ == "__main__":
    main()
