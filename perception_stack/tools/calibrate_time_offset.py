"""``perception-stack calibrate time-offset``: stamps of a camera against those of a LiDAR."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.calibration.grading.grade import Verdict
from perception_stack.calibration.grading.report import write_grade
from perception_stack.calibration.time_offset.calibrate import find_time_offset
from perception_stack.calibration.time_offset.turns import turns_of_images, turns_of_scans
from perception_stack.geometry.camera import CameraModel
from perception_stack.io import messages
from perception_stack.io.bags import BagReader
from perception_stack.tools.console import say
from perception_stack.tools.grades import now, say_grade

EXAMPLES = """examples:
  perception-stack calibrate time-offset --bag drive --out offset.yaml
  perception-stack calibrate time-offset --bag drive --image /front/image_raw
      --camera-info /front/camera_info --points /velodyne_points --farthest-s 0.3 --out offset.yaml

Turn while recording, and change how fast: swing left and right every few seconds for a minute.
The mount of the sensors need not be known. The offset is to be added to the camera's stamps to get
the LiDAR's clock. The exit code is 1 if the motion says nothing.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--bag", type=Path, required=True, help="recording")
    parser.add_argument("--image", default="/image", metavar="TOPIC")
    parser.add_argument("--camera-info", default="/camera_info", metavar="TOPIC")
    parser.add_argument("--points", default="/points", metavar="TOPIC")
    parser.add_argument("--farthest-s", type=float, default=0.2, help="largest offset tried")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="YAML")


def run(args: argparse.Namespace) -> int:
    """Read, compare, write."""
    import yaml

    with BagReader(args.bag) as bag:
        bag.require(
            {
                args.image: "sensor_msgs/msg/Image",
                args.camera_info: "sensor_msgs/msg/CameraInfo",
                args.points: "sensor_msgs/msg/PointCloud2",
            }
        )
        camera: CameraModel = messages.camera_from_msg(
            next(iter(bag.messages([args.camera_info]))).message
        )
        of_camera = turns_of_images(
            (messages.image_from_msg(one.message) for one in bag.messages([args.image])), camera
        )
        of_lidar = turns_of_scans(
            messages.cloud_from_msg(one.message) for one in bag.messages([args.points])
        )
    found = find_time_offset(of_camera, of_lidar, farthest_s=args.farthest_s, now=now())
    args.out.parent.mkdir(parents=True, exist_ok=True)
    known = found.grade.verdict is not Verdict.NOT_ENOUGH
    content = {
        "camera": camera.frame_id,
        "offset_s": found.offset_s if known else None,
        "std_s": found.std_s if known else None,
    }
    args.out.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    files = write_grade(args.out, found.grade, title=f"Time offset of {camera.frame_id}")
    say(f"written to {args.out}, {files[0]}, {files[1]}")
    if known:
        say(
            f"offset {1e3 * found.offset_s:+.1f} ms, standard deviation {1e3 * found.std_s:.1f} ms"
        )
    say_grade(found.grade)
    return int(not known)
