"""``perception-stack evaluate``: scores a run against the truth and writes a report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from perception_stack.datatypes import Boxes3D, Latency, TrackedObjects
from perception_stack.errors import DataFileError
from perception_stack.evaluation.config import EvaluationConfig
from perception_stack.evaluation.drops import Drop, drops_from_json
from perception_stack.evaluation.evaluate import (
    TrackScores,
    evaluate_detection,
    evaluate_tracking,
)
from perception_stack.evaluation.latency import frame_timing, step_latencies
from perception_stack.evaluation.pose import PoseScores, evaluate_poses
from perception_stack.evaluation.report import write_report
from perception_stack.evaluation.results import Evaluation
from perception_stack.evaluation.scene import make_scenes
from perception_stack.io.bags import BagReader
from perception_stack.io.results import read_boxes, read_objects
from perception_stack.io.text_files import read_json
from perception_stack.tools.console import say, table
from perception_stack.tools.run import DETECTIONS, JOURNAL, LATENCY, OBJECTS, POSES
from perception_stack.tools.truth import Truth

FrameT = TypeVar("FrameT", Boxes3D, TrackedObjects)

EXAMPLES = """examples:
  perception-stack evaluate out/run --truth out/road --out out/report
  perception-stack evaluate out/run --truth out/drive --only-in-image --out out/report
  perception-stack evaluate out/run --truth out/drive --similarity iou_3d --iou 0.25 --out out/r
  perception-stack evaluate out/table_run --truth out/table --mesh-dir meshes --out out/report
  perception-stack evaluate kitti-tracking --help          # tracks in KITTI's own format

The truth is the topic /ground_truth of a recording; boxes with a score of 0 do not count. The
folder gets evaluation.json and report.html.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("run", type=Path, help="folder that run or live has written")
    parser.add_argument("--truth", type=Path, required=True, help="recording with /ground_truth")
    parser.add_argument("--out", type=Path, required=True, help="folder for the report")
    parser.add_argument(
        "--similarity",
        choices=("distance_bev", "distance_3d", "iou_3d", "iou_bev"),
        default="distance_bev",
        help="what a hit is measured by (default: distance_bev)",
    )
    parser.add_argument("--distance", type=float, default=2.0, help="farthest centre of a hit, m")
    parser.add_argument("--iou", type=float, default=0.25, help="least overlap of a hit")
    parser.add_argument("--classes", nargs="+", default=(), help="classes to score (default: all)")
    parser.add_argument(
        "--only-in-image",
        action="store_true",
        help="nothing outside of the camera's view was labelled (KITTI)",
    )
    parser.add_argument(
        "--unknown-is-false",
        action="store_true",
        help="an object of class unknown without truth is a false alarm",
    )
    parser.add_argument("--mesh-dir", type=Path, help="meshes to score object poses with")


def run(args: argparse.Namespace) -> int:
    """Evaluate and report."""
    config = EvaluationConfig(
        similarity=args.similarity,
        match_distance_m=args.distance,
        iou_threshold=args.iou,
        classes=tuple(args.classes),
        unknown_is_false=args.unknown_is_false,
    )
    results = evaluate_run(
        args.run,
        BagReader(args.truth),
        config,
        only_in_image=args.only_in_image,
        mesh_dir=args.mesh_dir,
    )
    report = write_report(results, args.out)
    say(score_table(results))
    say(f"report: {report}")
    return 0


def newest_of_each_stamp(frames: Sequence[FrameT]) -> list[FrameT]:
    """A tracker of several sources gives a list for each; the last one of a stamp knows most."""
    return list({one.stamp_ns: one for one in frames}.values())


def evaluate_run(
    folder: Path,
    reader: BagReader,
    config: EvaluationConfig,
    *,
    only_in_image: bool = False,
    mesh_dir: Path | None = None,
    title: str = "",
) -> Evaluation:
    """Scores of everything that a run has left in its folder.

    Raises:
        DataFileError: the run has no ``objects.jsonl``, or the recording no truth.
    """
    objects = newest_of_each_stamp(read_objects(folder / OBJECTS))
    if not objects:
        raise DataFileError(folder / OBJECTS, "no frames in it")
    truth = Truth(reader, objects[0].frame_id, only_in_image=only_in_image)
    frames = truth.frames()
    detections = newest_of_each_stamp(_boxes(folder / DETECTIONS))
    scenes = make_scenes(frames, objects, config)
    stamps = {one.stamp_ns for one in scenes}
    clouds, views = truth.clouds(stamps), truth.views(stamps)
    return Evaluation(
        title=title or f"perception_stack: {folder.name}",
        facts={
            "recording": reader.path.name,
            "frames": str(len(objects)),
            "truth": "only in the image" if only_in_image else "all around",
        },
        tracking=(evaluate_tracking(frames, objects, config),),
        detection=(evaluate_detection(frames, detections, config),) if detections else (),
        pose=_poses(folder / POSES, truth, mesh_dir),
        latency=step_latencies(_latencies(folder / LATENCY)),
        timing=frame_timing([one.stamp_ns for one in objects]),
        drops=_drops(folder / JOURNAL),
        scenes=tuple(
            replace(one, cloud=clouds.get(one.stamp_ns), view=views.get(one.stamp_ns))
            for one in scenes
        ),
    )


def score_table(results: Evaluation) -> str:
    """The main scores by class, for a terminal."""
    lines = []
    for scores in results.tracking:
        lines.append(f"tracking; a hit is: {scores.rule}; {scores.coverage.num_frames} frames")
        rows = [("any", *_row(scores.any_class))]
        rows += [(name, *_row(one)) for name, one in scores.per_class.items()]
        header = ("class", "HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "FP", "FN", "truth")
        lines.append(table(header, rows))
    if results.pose is not None:
        rows = []
        for name, one in {**results.pose.per_class, "all": results.pose.all_classes}.items():
            values = one.as_dict()
            rows.append(
                (
                    name,
                    values["num_truth"],
                    values["num_found"],
                    100 * values["add_auc"],
                    100 * values["add_s_auc"],
                )
            )
        lines.append(table(("pose", "truth", "found", "ADD AUC", "ADD-S AUC"), rows))
    rows = [
        (one.step, *(one.percentile_ms(percent) for percent in (50, 95, 99)))
        for one in results.latency
    ]
    if rows:
        lines.append(table(("step", "p50 ms", "p95 ms", "p99 ms"), rows))
    return "\n\n".join(lines)


def _row(scores: TrackScores) -> tuple[Any, ...]:
    hota, clear, identity = (one.as_dict() for one in (scores.hota, scores.clear, scores.identity))
    return (
        100 * hota["hota"],
        100 * hota["det_a"],
        100 * hota["ass_a"],
        100 * clear["mota"],
        100 * identity["idf1"],
        clear["switches"],
        clear["false_positives"],
        clear["misses"],
        clear["num_truth"],
    )


def _boxes(path: Path) -> list[Boxes3D]:
    return read_boxes(path) if path.exists() else []


def _poses(path: Path, truth: Truth, mesh_dir: Path | None) -> PoseScores | None:
    if mesh_dir is None:
        return None
    from perception_stack.objects.library import load_library

    models = {name: one.surface.points_m for name, one in load_library(mesh_dir).items()}
    return evaluate_poses(truth.in_camera(), _boxes(path), models)


def _latencies(path: Path) -> list[Latency]:
    if not path.exists():
        return []
    return [Latency(**one) for one in read_json(path)]


def _drops(path: Path) -> tuple[Drop, ...]:
    return drops_from_json(read_json(path)) if path.exists() else ()
