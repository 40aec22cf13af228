"""False alarms and delays of the watch: under its model, on real recordings, on simulated drives.

    python benchmarks/watch.py model
    python benchmarks/watch.py boxes --data ../shared/data
    python benchmarks/watch.py record --drives 20 --out drives.npz
    python benchmarks/watch.py drives --in drives.npz
    python benchmarks/watch.py videos FILE...
    python benchmarks/watch.py cost

``model`` draws features as the watch believes they are. ``boxes`` takes published detections of
KITTI's tracking sequences: each is watched with a reference of all others. ``drives`` does the
same with features of rendered streets, which ``record`` makes. ``videos`` learns the first half
of each video and watches the second. Every watched recording is followed as it is, which counts
false alarms, and with a shift planted in its second third, which gives the delay in frames and
whether the alarm ends.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from perception_stack.datatypes import ColorImage, Detections2D, FloatArray, PointCloud
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.kitti.detections import read_detections_2d
from perception_stack.io.kitti.labels import read_tracking_labels
from perception_stack.io.kitti.rrc import rrc_files
from perception_stack.simulation.rig import Mount, RoadRig
from perception_stack.simulation.road import RoadConfig
from perception_stack.simulation.scene import BASE_FRAME, CAMERA_FRAME, LIDAR_FRAME, pinhole
from perception_stack.watch.change import Change
from perception_stack.watch.drift import DriftWatch
from perception_stack.watch.features import IMAGE, box_features, cloud_features, usual_classes
from perception_stack.watch.image_features import image_features
from perception_stack.watch.reference import Recording, Reference, learn
from perception_stack.watch.trace import follow

Pixels = NDArray[np.uint8]
_NUM_FRAMES, _DELAY = 300, 100
_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def darker(bgr: Pixels) -> Pixels:
    return (0.4 * bgr).astype(np.uint8)


def blurred(bgr: Pixels) -> Pixels:
    import cv2

    sigma_px = max(3.0 * bgr.shape[1] / 1280, 1.0)
    return np.asarray(cv2.GaussianBlur(bgr, (0, 0), sigma_px), dtype=np.uint8)


def foggy(bgr: Pixels) -> Pixels:
    return (0.5 * bgr + 105).astype(np.uint8)


IMAGE_SHIFTS: dict[str, Callable[[Pixels], Pixels]] = {
    "dark (0.4 of the light)": darker,
    "blur (3 px at 1280)": blurred,
    "fog (half transparent)": foggy,
}
Shift = Callable[[FloatArray], FloatArray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("model", "boxes", "record", "drives", "videos", "cost"))
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--drives", type=int, default=20)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--in", dest="drives_file", type=Path)
    args = parser.parse_args()
    match args.what:
        case "model":
            _model()
        case "boxes":
            _boxes(args.data)
        case "record":
            np.savez(args.out, **_record(args.drives))
        case "drives":
            _drives(dict(np.load(args.drives_file)))
        case "videos":
            _videos(args.files)
        case "cost":
            _cost()


def _model() -> None:
    """Features drawn from the model; levels differ by as much as is believed, or by twice that."""
    rng = np.random.default_rng(0)
    feature = IMAGE[2]
    print("memory  levels  recordings  frames watched  false alarms (all 12)  1.2 smallest")
    for phi in (0.0, 0.5, 0.9, 0.97):
        for between in (1.0, 2.0):
            for num in (3, 8, 20):
                alarms, frames, hits = 0, 0, []
                for _ in range(10):
                    draw = _Drawing(rng, phi, between * feature.spread)
                    table = {f"{i}": draw.recording(_NUM_FRAMES) for i in range(num)}
                    reference = _one_feature(table)
                    change = Change(reference.limits("image")[0])
                    for _ in range(20):
                        alarms += _num_alarms(change, draw.recording(500))
                        frames += 500
                    for _ in range(10):
                        change.reset()
                        off = change.limits.middle + 1.2 * change.limits.smallest_shift
                        shifted = draw.recording(_DELAY, level=off)
                        hits.append(_num_alarms(change, shifted) > 0)
                rate = 12 * alarms / frames * 1e4
                print(
                    f"{phi:6.2f}  {between:6.1f}  {num:10d}  {frames:14d}  "
                    f"{rate:13.2f} in 10 000  {np.mean(hits):12.2f}"
                )


class _Drawing:
    """Recordings of one feature: a level each, and a first-order autoregression about it."""

    def __init__(self, rng: np.random.Generator, phi: float, level_std: float) -> None:
        self._rng, self._phi, self._level_std = rng, phi, level_std

    def recording(self, num: int, *, level: float | None = None) -> FloatArray:
        noise = self._rng.standard_normal(num + 500) * np.sqrt(1 - self._phi**2)
        around = 0.1 * np.asarray(lfilter([1.0], [1.0, -self._phi], noise))[500:]
        place = self._level_std * self._rng.standard_normal() if level is None else level
        return np.asarray(around + place)


def _one_feature(table: Mapping[str, FloatArray]) -> Reference:
    """A reference in which eleven more features share the rate."""
    recordings = [
        Recording(
            name=name,
            values={"image": np.repeat(values[:, None], len(IMAGE), axis=1)},
            stamps_ns={"image": np.arange(len(values))},
        )
        for name, values in table.items()
    ]
    learnt = learn(recordings, classes=(), false_alarm_frames=10_000 * 12 / len(IMAGE))
    return replace(learnt, usual={"image": learnt.usual["image"][2:3] * len(IMAGE)})


def _num_alarms(change: Change, values: FloatArray) -> int:
    num = 0
    for i, value in enumerate(values):
        before = change.side
        change.add(float(value), i)
        num += bool(change.side and not before)
    return num


def _boxes(data: Path) -> None:
    sequences = _kitti_sequences(data)
    classes = usual_classes([one for many in sequences.values() for one in many])
    tables = {name: _table(many, classes) for name, many in sequences.items()}
    swap = {"car": "pedestrian", "pedestrian": "car"}
    shifts: dict[str, Callable[[Detections2D], Detections2D]] = {
        "every other box a dog": lambda one: replace(
            one, labels=tuple("dog" if i % 2 else name for i, name in enumerate(one.labels))
        ),
        "cars and pedestrians swapped": lambda one: replace(
            one, labels=tuple(swap.get(name, name) for name in one.labels)
        ),
        "scores halved": lambda one: replace(one, score=one.score / 2),
        "boxes a third as large": lambda one: replace(one, xyxy_px=one.xyxy_px / 3),
        "nothing found": lambda one: replace(
            one, xyxy_px=np.empty((0, 4)), score=np.empty(0), labels=()
        ),
    }
    shifted = {
        shift: {
            name: _table([change(one) for one in many], classes)
            for name, many in sequences.items()
        }
        for shift, change in shifts.items()
    }
    _leave_one_out("detections", tables, shifted, classes)


def _kitti_sequences(data: Path) -> dict[str, list[Detections2D]]:
    """Published 2-D detections of every sequence, frame by frame."""
    found: dict[str, list[Detections2D]] = {}
    for root in (data / "kitti_tracking", data / "kitti_drive_0005_seq_0000"):
        for labels in sorted((root / "label_02").glob("*.txt")):
            frames = read_detections_2d(rrc_files(root / "detection", labels.name))
            nothing = Detections2D.empty(frame_id="camera", stamp_ns=0)
            last = max(read_tracking_labels(labels))
            found[labels.stem] = [frames.get(i, nothing) for i in range(last + 1)]
    return found


def _table(frames: Sequence[Detections2D], classes: Sequence[str]) -> FloatArray:
    return np.array([box_features(one, classes) for one in frames])


def _record(num_drives: int) -> dict[str, FloatArray]:
    """Features of rendered drives, as they are and with each shift."""
    mount = Mount(
        base_from_camera=RigidTransform(
            target=BASE_FRAME,
            source=CAMERA_FRAME,
            rotation=_OPTICAL,
            translation_m=np.array([0.27, 0.06, -0.08]),
        ),
        base_from_lidar=RigidTransform(
            target=BASE_FRAME, source=LIDAR_FRAME, rotation=np.eye(3), translation_m=np.zeros(3)
        ),
    )
    camera = pinhole(width_px=384, height_px=192, focal_px=260)
    tables: dict[str, FloatArray] = {}
    for drive in range(num_drives):
        config = RoadConfig(seed=100 + drive, num_frames=_NUM_FRAMES, curve_radius_m=400.0)
        rig = RoadRig(config, camera)
        pictures = [rig.picture(0.1 * i, mount).bgr for i in range(_NUM_FRAMES)]
        tables[f"{drive}|"] = _features(pictures, lambda bgr: bgr)
        for name, shift in IMAGE_SHIFTS.items():
            tables[f"{drive}|{name}"] = _features(pictures, shift)
        print(f"drive {drive}", flush=True)
    return tables


def _features(pictures: Sequence[Pixels], shift: Callable[[Pixels], Pixels]) -> FloatArray:
    return np.array(
        [image_features(ColorImage(frame_id="", stamp_ns=0, bgr=shift(one))) for one in pictures]
    )


def _drives(tables: Mapping[str, FloatArray]) -> None:
    plain = {name[:-1]: table for name, table in tables.items() if name.endswith("|")}
    shifted = {
        shift: {name: tables[f"{name}|{shift}"] for name in plain} for shift in IMAGE_SHIFTS
    }
    _leave_one_out("image", plain, shifted, ())


def _videos(files: Sequence[Path]) -> None:
    """The first half of each is learnt, as recordings of about 100 frames, the second watched."""
    import cv2

    for file in files:
        video, pictures = cv2.VideoCapture(str(file)), []
        while (read := video.read())[0]:
            pictures.append(np.asarray(read[1], dtype=np.uint8))
        half = len(pictures) // 2
        if half < _DELAY:
            print(f"{file.name}: {len(pictures)} frames are too few")
            continue
        num = half // _DELAY
        parts = np.array_split(_features(pictures[:half], lambda bgr: bgr), max(num, 2))
        learnt = [_recording("image", f"{i}", one) for i, one in enumerate(parts)]
        reference = learn(learnt, classes=())
        shifted = {
            name: _features(pictures[half:], change) for name, change in IMAGE_SHIFTS.items()
        }
        plain = _features(pictures[half:], lambda bgr: bgr)
        print(f"{file.name}: {half} frames learnt, {len(plain)} watched")
        _report("image", {file.name: (reference, plain, shifted)})


def _leave_one_out(
    part: str,
    plain: Mapping[str, FloatArray],
    shifted: Mapping[str, Mapping[str, FloatArray]],
    classes: Sequence[str],
) -> None:
    """Each recording with a reference of all others."""
    cases = {}
    for name, table in plain.items():
        others = [_recording(part, other, plain[other]) for other in plain if other != name]
        reference = learn(others, classes=classes)
        cases[name] = (reference, table, {shift: many[name] for shift, many in shifted.items()})
    _report(part, cases)


def _report(
    part: str, cases: Mapping[str, tuple[Reference, FloatArray, Mapping[str, FloatArray]]]
) -> None:
    frames, alarms = 0, []
    delays: dict[str, list[float]] = {}
    ends: dict[str, list[bool]] = {}
    for name, (reference, plain, shifted) in cases.items():
        trace = follow(_recording(part, name, plain), reference)
        frames += len(plain)
        alarms += [f"{name}, frame {one.first}: {one.alarm.text}" for one in trace.events]
        false = {one.alarm.feature for one in trace.events}
        for shift, table in shifted.items():
            first = len(plain) // 3
            last = min(first + _DELAY, len(plain))
            mixed = plain.copy()
            mixed[first:last] = table[first:last]
            found = [
                one
                for one in follow(_recording(part, name, mixed), reference).events
                if first <= one.first < last and one.alarm.feature not in false
            ]
            delay = min((one.first - first + 1 for one in found), default=np.inf)
            delays.setdefault(shift, []).append(delay)
            # what a recording has no frames left for cannot be said to have ended
            if found and len(plain) - last >= _DELAY:
                ends.setdefault(shift, []).append(all(one.last < len(plain) for one in found))
    print(f"{len(alarms)} false alarms in {frames} frames of {len(cases)} recordings")
    for one in alarms:
        print(f"  {one}")
    for shift, values in delays.items():
        found = [one for one in values if np.isfinite(one)]
        middle = f"median {np.median(found):.0f}, most {max(found):.0f}" if found else "-"
        ended = ends.get(shift, [])
        print(
            f"{shift}: found in {len(found)} of {len(values)}, delay {middle}; "
            f"ended in {sum(ended)} of {len(ended)}"
        )


def _recording(part: str, name: str, table: FloatArray) -> Recording:
    stamps_ns = np.arange(len(table)) * 100_000_000
    return Recording(name=name, values={part: table}, stamps_ns={part: stamps_ns})


def _cost() -> None:
    """Time of one frame of each kind, against a resize of the same image."""
    import cv2

    rng = np.random.default_rng(0)
    bgr = rng.integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    image = ColorImage(frame_id="", stamp_ns=0, bgr=bgr)
    cloud = PointCloud(
        frame_id="",
        stamp_ns=0,
        xyz_m=rng.normal(0, 10, (120_000, 3)).astype(np.float32),
        intensity=rng.random(120_000, dtype=np.float32),
    )
    table = _features([bgr] * 200, lambda one: one)
    watch = DriftWatch(learn([_recording("image", "", table)], classes=()))
    resize_ms = _median_ms(lambda: cv2.resize(bgr, (416, 234)))
    print(f"resize to 416 x 234: {resize_ms:.3f} ms")
    for name, call in {
        "features of an image, 1280 x 720": lambda: image_features(image),
        "features and watch of an image": lambda: watch.add_image(image),
        "features of a scan of 120 000 points": lambda: cloud_features(cloud),
    }.items():
        ms = _median_ms(call)
        print(f"{name}: {ms:.3f} ms, {ms / resize_ms:.2f} of the resize")


def _median_ms(call: Callable[[], object]) -> float:
    call()
    spent = []
    for _ in range(200):
        start = time.perf_counter()
        call()
        spent.append(1e3 * (time.perf_counter() - start))
    return float(np.median(spent))


if __name__ == "__main__":
    main()
