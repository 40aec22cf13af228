"""``perception-stack pose bop``: poses in the images of a BOP data set, for its tools to score."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from perception_stack.datatypes import Detections2D
from perception_stack.errors import ConfigError, DataFileError
from perception_stack.io.bop import (
    BopResult,
    BopScene,
    Target,
    detections_of,
    read_detected,
    read_models,
    read_scene,
    read_targets,
    true_boxes,
    true_masks,
    write_library,
    write_results,
)
from perception_stack.io.bop.models import name_of
from perception_stack.journal import Journal
from perception_stack.pose.estimator import PoseEstimator
from perception_stack.pose.scene import Scene
from perception_stack.tools.console import progress, say
from perception_stack.tools.run import chain_config, drop_table

EXAMPLES = """examples:
  perception-stack pose bop --root lmo --targets lmo/test_targets_bop19.json --where detections.json --out out/ours_lmo-test.csv
  perception-stack pose bop --root ycbv --where masks --out out/masks_ycbv-test.csv
  perception-stack pose bop --root tless --models models_cad --out out/ours_tless-test.csv

ROOT holds the folders of models and of scenes. Objects are looked for where --where says: at the
detections of a file (those that BOP publishes, for example), at the true boxes or masks, or
anywhere. What is prepared of the models is kept in the user's cache.
"""  # noqa: E501

Regions = Callable[[Target, BopScene, tuple[int, ...]], Detections2D | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the data set")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="result, CSV")
    parser.add_argument("--split", default="test", help="folder of the scenes (default: test)")
    parser.add_argument(
        "--models", default="models", help="folder of the models (default: models)"
    )
    parser.add_argument(
        "--where",
        default="anywhere",
        metavar="WHERE",
        help="anywhere (default), boxes or masks (the true ones), or a JSON file of detections",
    )
    parser.add_argument(
        "--targets",
        type=Path,
        metavar="FILE",
        help="images and objects that are asked for (default: all)",
    )
    parser.add_argument("--params-file", type=Path, help="parameter file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STEP.PARAMETER=VALUE",
        help="one parameter, e.g. pose_estimator.depth_noise_m=0.002; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Estimate and write."""
    models = read_models(args.root / args.models)
    folder = args.root / args.split
    if not folder.is_dir():
        raise DataFileError(folder, "no such folder; --split names that of the scenes")
    scenes = {
        one.scene_id: one
        for one in (read_scene(path) for path in sorted(folder.iterdir()) if path.name.isdigit())
    }
    targets = _targets(args.targets, scenes, tuple(models))
    regions = _regions(args.where)
    library = args.out.with_suffix(".objects")
    write_library(models.values(), library)
    config = chain_config(args.params_file, args.set).pose_estimator
    journal = Journal()
    estimator = PoseEstimator(replace(config, mesh_dir=str(library)), journal)
    estimator.warm_up()
    obj_ids = {name_of(obj_id): obj_id for obj_id in models}
    results: list[BopResult] = []
    with progress(len(targets), "poses", "image") as bar:
        for target in targets:
            scene = scenes[target.scene_id]
            results += _results(target, scene, regions, estimator, obj_ids)
            bar.update()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_results(args.out, results)
    say(f"{len(targets)} images, {len(results)} poses, written to {args.out}")
    say(drop_table({"pose_estimator": journal}))
    return 0


def _targets(
    path: Path | None, scenes: dict[int, BopScene], obj_ids: tuple[int, ...]
) -> list[Target]:
    if path is None:
        return [
            Target(scene_id=scene.scene_id, im_id=im_id, obj_ids=obj_ids)
            for scene in scenes.values()
            for im_id in scene.k
        ]
    targets = read_targets(path)
    for one in targets:
        if one.scene_id not in scenes:
            raise DataFileError(path, f"asks for scene {one.scene_id}, which is not there")
        if unknown := set(one.obj_ids) - set(obj_ids):
            raise DataFileError(path, f"asks for object {min(unknown)}, which has no model")
    return targets


def _regions(where: str) -> Regions:
    """What says where to look for the objects that are asked for; None for anywhere."""
    if where == "anywhere":
        return lambda _target, _scene, _shape: None
    if where == "boxes":
        return lambda target, scene, _shape: true_boxes(scene, target)
    if where == "masks":
        return lambda target, scene, shape: true_masks(scene, target, shape=shape)
    if not Path(where).is_file():
        raise ConfigError(f"--where {where}: neither anywhere, boxes, masks nor a file")
    detected = read_detected(Path(where))
    return lambda target, _scene, _shape: detections_of(
        target, detected.get((target.scene_id, target.im_id), ())
    )


def _results(
    target: Target,
    scene: BopScene,
    regions: Regions,
    estimator: PoseEstimator,
    obj_ids: dict[str, int],
) -> list[BopResult]:
    depth, camera = scene.depth(target.im_id)
    bgr = scene.bgr(target.im_id) if scene.has_colours() else None
    detections = regions(target, scene, depth.depth_m.shape)
    start = time.perf_counter()
    frame = Scene.of(depth, camera, bgr=bgr)
    if detections is None:
        with estimator.looking_for([name_of(one) for one in target.obj_ids]):
            found = estimator.find_anywhere(frame)
    else:
        found = estimator.find(detections, frame)
    time_s = time.perf_counter() - start
    return [
        BopResult(
            scene_id=target.scene_id,
            im_id=target.im_id,
            obj_id=obj_ids[one.model.name],
            score=one.score,
            camera_from_model=one.pose,
            time_s=time_s,
        )
        for one in found
    ]
