"""The nodes on whole KITTI scans and images at 10 Hz: frames kept, latency, overhead of ROS.

The whole scans of the object benchmark and their images are played one after the other, as if a
vehicle stood before each of them for some seconds; ranges change by the noise of the sensor::

    python benchmarks/nodes.py --data ../shared/data --frames 200

The machine must have nothing else to do: times are those of the clock, and what comes too late is
lost. What nodes cost in processor time says ``node_overhead.py``.

Each node's time (decode, step, encode, publish) is set against the time of the bare step in the
offline chain on the same recording; the difference is what ROS costs. Needs the environment of
``source .ros/setup.sh`` and the weights of YOLOX-Nano in the data folder.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from perception_stack.datatypes import ColorImage, Latency
from perception_stack.evaluation.latency import step_latencies
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.bags import BagReader, BagWriter
from perception_stack.io.kitti.calibration import CAMERA, VELODYNE, read_calibration
from perception_stack.io.kitti.scans import read_scan
from perception_stack.io.recording import BASE, standing_vehicle, write_frame, write_static
from perception_stack.tools.live import run_online, summary
from perception_stack.tools.run import LATENCY, chain_config, run_offline

PERIOD_NS = 100_000_000
START_NS = 1_000_000_000_000
WIDTH_PX, HEIGHT_PX = 1242, 375
RANGE_NOISE_M = 0.01
MANIFEST = Path(__file__).resolve().parent.parent / "config" / "models" / "yolox_nano.yaml"


def write_recording(data: Path, out: Path, num: int) -> None:
    """Whole scans with images of one size, each for its share of the time; nothing moves."""
    import cv2

    root = data / "kitti_object" / "training"
    names = sorted(path.stem for path in (root / "velodyne").glob("*.bin"))
    calibration = read_calibration(root / "calib" / f"{names[0]}.txt")
    camera = calibration.camera(width_px=WIDTH_PX, height_px=HEIGHT_PX)
    clouds = [read_scan(root / "velodyne" / f"{name}.bin", stamp_ns=0) for name in names]
    images = [cv2.imread(str(root / "image_2" / f"{name}.png")) for name in names]
    images = [cv2.resize(image, (WIDTH_PX, HEIGHT_PX)) for image in images]
    base_from_lidar = RigidTransform(
        target=BASE, source=VELODYNE, rotation=np.eye(3), translation_m=np.zeros(3)
    )
    lidar_from_camera = calibration.camera_from_velodyne.inverse()
    rng = np.random.default_rng(0)
    with BagWriter(out) as writer:
        static = [standing_vehicle(), base_from_lidar, lidar_from_camera]
        write_static(writer, static, stamp_ns=START_NS)
        for frame in range(num):
            cloud = clouds[frame * len(clouds) // num]
            range_m = np.linalg.norm(cloud.xyz_m, axis=1, keepdims=True)
            noise = rng.normal(0, RANGE_NOISE_M, range_m.shape) / np.maximum(range_m, 1.0)
            stamp_ns = START_NS + frame * PERIOD_NS
            write_frame(
                writer,
                stamp_ns=stamp_ns,
                camera=camera,
                image=ColorImage(
                    frame_id=CAMERA, stamp_ns=stamp_ns, bgr=images[frame * len(images) // num]
                ),
                cloud=type(cloud)(
                    frame_id=cloud.frame_id,
                    stamp_ns=stamp_ns,
                    xyz_m=(cloud.xyz_m * (1 + noise)).astype(np.float32),
                    intensity=cloud.intensity,
                ),
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--frames", type=int, default=200)
    arguments = parser.parse_args()
    weights = arguments.data / "checkpoints_2d"
    with tempfile.TemporaryDirectory() as folder:
        bag, out = Path(folder) / "bag", Path(folder) / "out"
        write_recording(arguments.data, bag, arguments.frames)
        reader = BagReader(bag)
        model = {"model": str(MANIFEST), "model_dir": str(weights)}
        assignments = [f"detector.{name}:={value}" for name, value in model.items()]
        run_offline(reader, chain_config(None, assignments), topics={}, out=out / "offline")
        answers = run_online(reader, model, out=out / "online")
        offline = json.loads((out / "offline" / LATENCY).read_text(encoding="utf-8"))
    print(summary(answers))
    print("\np50 ms     step   node  overhead")
    for step in step_latencies(Latency(**one) for one in offline):
        name = f"{step.step}: {step.step}"
        if name in answers.diagnostics:
            node_ms = float(answers.diagnostics[name]["processing_p50_ms"])
            step_ms = step.percentile_ms(50)
            overhead_ms = node_ms - step_ms
            print(f"{step.step:16} {step_ms:5.1f} {node_ms:6.1f} {overhead_ms:8.1f}")


if __name__ == "__main__":
    main()
