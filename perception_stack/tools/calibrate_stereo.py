"""``perception-stack calibrate stereo``: two or more cameras, their lenses and places."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from perception_stack.calibration.camera.figures import camera_section
from perception_stack.calibration.camera.lens import LENSES
from perception_stack.calibration.grading.grade import Verdict
from perception_stack.calibration.grading.report import write_grade
from perception_stack.calibration.rig.calibrate import RigCalibration, calibrate_rig
from perception_stack.calibration.rig.grading import CameraOnRig
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.errors import ConfigError
from perception_stack.geometry.board import Board
from perception_stack.io.calibration_files import Extrinsic, write_camera_info, write_extrinsics
from perception_stack.report.page import Section
from perception_stack.tools.board_images import BoardViews, views_of_bag, views_of_images
from perception_stack.tools.calibrate_camera import chosen_lens
from perception_stack.tools.console import say
from perception_stack.tools.grades import now, say_grade

EXAMPLES = """examples:
  perception-stack calibrate stereo --camera left='img/left*.jpg' --camera right='img/right*.jpg'
                                    --board chessboard:9x6:0.025 --out rig.yaml
  perception-stack calibrate stereo --bag drive --camera left=/left/image
                                    --camera right=/right/image
                                    --board charuco:8x5:0.04:0.03:DICT_5X5_100 --out rig.yaml

The first camera is the frame of the rig. Images of files belong together by their order, those of
a recording by their stamps. rig.yaml is an extrinsics file; rig.left.yaml and so on are
camera_info files, with R and P of the rectified pair where there are two cameras of one kind. The
grade of all lies beside. The exit code is 1 if the views are not enough.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "--camera",
        action="append",
        required=True,
        metavar="NAME=SOURCE",
        help="a camera: folder or pattern of images, or a topic of the recording",
    )
    parser.add_argument("--bag", type=Path, help="recording, in place of images")
    parser.add_argument("--board", required=True, help="what was held up, see calibrate camera")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="extrinsics YAML")
    parser.add_argument(
        "--slop", type=float, default=0.005, help="stamps of one instant differ by less [s]"
    )
    parser.add_argument(
        "--model",
        choices=("auto", *LENSES),
        default="auto",
        help="kind of the cameras; auto (default): what predicts held-out views best",
    )


def run(args: argparse.Namespace) -> int:
    """Calibrate and write."""
    sources = dict(_named(one) for one in args.camera)
    if len(sources) < 2:
        raise ConfigError("name two cameras or more: --camera left=SOURCE --camera right=SOURCE")
    board = Board.parse(args.board)
    seen = {
        name: views_of_images(source, board)
        if args.bag is None
        else views_of_bag(args.bag, source, board, all_frames=True)
        for name, source in sources.items()
    }
    cameras = [
        CameraOnRig(
            name=name,
            frame_id=one.frame_id or f"{name}_optical",
            width_px=one.width_px,
            height_px=one.height_px,
            lens=chosen_lens(args.model),
        )
        for name, one in seen.items()
    ]
    slop_ns = 0 if args.bag is None else round(1e9 * args.slop)
    views = _together(list(seen.values()), slop_ns=slop_ns)
    result = calibrate_rig(
        views,
        board,
        cameras,
        now=now(),
        left_out=[one for each in seen.values() for one in each.left_out],
    )
    _write(args.out, result, cameras)
    say_grade(result.grade)
    return int(result.grade.verdict is Verdict.NOT_ENOUGH)


def _named(text: str) -> tuple[str, str]:
    name, given, source = text.partition("=")
    if not given or not name or not source:
        raise ConfigError(f"--camera {text} is not of the form NAME=SOURCE")
    return name, source


def _together(seen: Sequence[BoardViews], *, slop_ns: int) -> list[list[Sighting | None]]:
    """Sightings of one instant in one row; each camera once at most."""
    stamped = sorted(
        (stamp_ns, camera, i)
        for camera, one in enumerate(seen)
        for i, stamp_ns in enumerate(one.stamps_ns)
    )
    rows: list[list[Sighting | None]] = []
    first_ns = 0
    for stamp_ns, camera, i in stamped:
        if not rows or stamp_ns - first_ns > slop_ns or rows[-1][camera] is not None:
            rows.append([None] * len(seen))
            first_ns = stamp_ns
        rows[-1][camera] = seen[camera].sightings[i]
    return rows


def _write(out: Path, result: RigCalibration, cameras: Sequence[CameraOnRig]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    for camera, one in zip(result.cameras, cameras, strict=True):
        write_camera_info(out.with_suffix(f".{one.name}.yaml"), camera, camera_name=one.name)
    provenance = result.grade.provenance
    write_extrinsics(
        out,
        [
            Extrinsic(
                parent_from_child=one.first_from_camera,
                covariance=one.covariance,
                method=provenance.method,
                provenance=f"{provenance.date}, data {provenance.data_hash[:12]}",
            )
            for one in result.placements
        ],
    )
    title = f"Calibration of cameras {', '.join(one.name for one in cameras)}"
    write_grade(out, result.grade, title=title, sections=_sections(result, cameras))
    say(f"written to {out}, {len(cameras)} camera_info files and the grade beside it")


def _sections(result: RigCalibration, cameras: Sequence[CameraOnRig]) -> list[Section]:
    sections = []
    for c, one in enumerate(cameras):
        sightings, errors = [], []
        for view, residuals in zip(
            result.adjustment.views, result.adjustment.fit.residuals, strict=True
        ):
            before = sum(len(s.point_idx) for s in view[:c] if s is not None)
            mine = view[c]
            if mine is not None:
                sightings.append(mine)
                errors.append(residuals[before : before + len(mine.point_idx)])
        sections.append(
            camera_section(
                one.name,
                sightings,
                errors,
                result.judgements[c],
                size_px=(one.width_px, one.height_px),
            )
        )
    return sections
