"""``perception-stack calibrate camera``: intrinsics of one camera from views of a board."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.calibration.camera.calibrate import CameraCalibration, calibrate_camera
from perception_stack.calibration.camera.figures import camera_section
from perception_stack.calibration.camera.lens import LENSES, Lens
from perception_stack.calibration.grading.grade import Verdict
from perception_stack.calibration.grading.report import write_grade
from perception_stack.errors import ConfigError
from perception_stack.geometry.board import EXAMPLES as BOARDS
from perception_stack.geometry.board import Board
from perception_stack.io.calibration_files import write_camera_info
from perception_stack.report.page import Section
from perception_stack.tools.board_images import views_of_bag, views_of_images
from perception_stack.tools.console import say
from perception_stack.tools.grades import now, say_grade

EXAMPLES = (
    """examples:
  perception-stack calibrate camera images/ --board chessboard:9x6:0.025 --out front.yaml
  perception-stack calibrate camera 'images/left*.jpg' --board chessboard:9x6:0.025 --out left.yaml
  perception-stack calibrate camera --bag drive --topic /image_raw --board aprilgrid:6x6:0.088:0.3
                                    --out front.yaml
  boards: """
    + "\n          ".join(BOARDS)
    + """

A board is KIND:COLUMNSxROWS:SPACING[:SIZE[:DICTIONARY]] in metres: inner corners of a chessboard,
squares and side of a marker of a ChArUco board, tags and gap over side of an AprilGrid, circles.
The result is a camera_info file that ROS reads; beside it lie its grade (.grade.yaml) and a report
(.report.html). The exit code is 1 if the views are not enough.
"""
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "images", nargs="?", default="", help="folder of images, or a pattern in quotes"
    )
    parser.add_argument("--bag", type=Path, help="recording, in place of images")
    parser.add_argument("--topic", default="/image", help="of the recording (default: /image)")
    parser.add_argument("--board", required=True, help="what was held up, see below")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="camera_info YAML")
    parser.add_argument("--name", default="", help="camera_name (default: name of the file)")
    parser.add_argument("--frame", default="", help="optical frame (default: of the images)")
    parser.add_argument(
        "--model",
        choices=("auto", *LENSES),
        default="auto",
        help="kind of camera; auto (default): what predicts held-out views best",
    )


def run(args: argparse.Namespace) -> int:
    """Calibrate and write."""
    if bool(args.images) == (args.bag is not None):
        raise ConfigError("name either images or a --bag")
    board = Board.parse(args.board)
    views = (
        views_of_images(args.images, board)
        if args.images
        else views_of_bag(args.bag, args.topic, board)
    )
    name = args.name or args.out.stem
    result = calibrate_camera(
        views.sightings,
        board,
        width_px=views.width_px,
        height_px=views.height_px,
        frame_id=args.frame or views.frame_id or f"{name}_optical",
        now=now(),
        lens=chosen_lens(args.model),
        left_out=views.left_out,
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_camera_info(args.out, result.camera, camera_name=name)
    files = write_grade(
        args.out,
        result.grade,
        title=f"Calibration of camera {name}",
        sections=[section_of(name, result)],
    )
    say(f"{result.lens.distortion_model}, written to {args.out}, {files[0]}, {files[1]}")
    say_grade(result.grade)
    return int(result.grade.verdict is Verdict.NOT_ENOUGH)


def chosen_lens(model: str) -> Lens | None:
    """The kind of camera that a word means; None to choose by held-out error."""
    return LENSES.get(model)


def section_of(name: str, result: CameraCalibration) -> Section:
    """The pictures of one camera."""
    return camera_section(
        name,
        [one for view in result.adjustment.views for one in view if one is not None],
        result.adjustment.fit.residuals,
        result.judgement,
        size_px=(result.camera.width_px, result.camera.height_px),
    )
