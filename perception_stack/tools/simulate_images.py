"""``perception-stack simulate images``: labelled pictures to train and test image detectors on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from perception_stack.errors import ConfigError
from perception_stack.tools.console import progress, say

EXAMPLES = """examples:
  perception-stack simulate images --split train --scenes 600 --out out/pictures
  perception-stack simulate images --split test --scenes 60 --out out/pictures
  perception-stack simulate images --first 600 --scenes 300 --only table --out out/more_tables

Writes OUT/SPLIT/images and OUT/SPLIT/annotations.json in COCO's format: twelve pictures of each
scene, two thirds of them roads, one third tables. train and val are partly varied in light, air,
colours, surfaces and camera; test is what perception-stack simulate makes; varied is varied
throughout.
The seeds of the splits are disjoint, and far from those of perception-stack simulate.
"""
_QUALITY = 95


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--split", choices=("train", "val", "test", "varied"), default="train")
    parser.add_argument("--scenes", type=int, default=100, help="drives and tables")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    parser.add_argument(
        "--only", choices=("road", "table"), help="leave out scenes of the other kind"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes that work side by side")


def run(args: argparse.Namespace) -> int:
    """Simulate and write."""
    from perception_stack.simulation.album import is_table

    if args.scenes < 1 or args.first < 0:
        raise ConfigError("--scenes is a number from 1, --first one from 0")
    scenes = [
        scene
        for scene in range(args.first, args.first + args.scenes)
        if args.only is None or is_table(scene) == (args.only == "table")
    ]
    num = write_pictures(args.out, args.split, scenes=scenes, num_jobs=args.jobs)
    say(f"{num} pictures written to {args.out / args.split}")
    return 0


def write_pictures(out: Path, split: str, *, scenes: Sequence[int], num_jobs: int) -> int:
    """Write the pictures of a split; returns how many there are.

    Raises:
        ConfigError: no scenes or processes, or the split is there already.
    """
    from perception_stack.io.image_sets.coco import ANNOTATIONS, IMAGES, write_annotations
    from perception_stack.simulation.album import CLASSES

    folder = out / split
    if not scenes or num_jobs < 1:
        raise ConfigError("there is no scene to simulate, or --jobs is below 1")
    if (folder / ANNOTATIONS).exists():
        raise ConfigError(f"'{folder}' is there already; give another --out, or remove it")
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    tasks = [(folder / IMAGES, split, scene) for scene in scenes]
    images: list[dict[str, Any]] = []
    with progress(len(scenes), f"simulate {split}", "scene") as bar:
        for found in _each(tasks, num_jobs):
            images += found
            bar.update(1)
    write_annotations(folder / ANNOTATIONS, classes=CLASSES, images=images)
    return len(images)


def _each(tasks: list[tuple[Path, str, int]], num_jobs: int) -> Iterator[list[dict[str, Any]]]:
    if num_jobs == 1:
        yield from map(_scene, tasks)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # a fork of a process with threads may wait for ever
    with ProcessPoolExecutor(num_jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_scene, tasks)


def _scene(task: tuple[Path, str, int]) -> list[dict[str, Any]]:
    """Write the pictures of one scene; what COCO says of them."""
    import cv2

    from perception_stack.io.image_sets.coco import image_entry
    from perception_stack.simulation.album import pictures

    folder, split, scene = task
    found = []
    for i, picture in enumerate(pictures(split, scene)):
        name = f"{scene:06d}_{i}.jpg"
        cv2.imwrite(str(folder / name), picture.bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        height, width = picture.bgr.shape[:2]
        found.append(
            image_entry(
                name,
                (width, height),
                picture.xyxy_px,
                picture.labels,
                of_boxes={
                    "ignore": picture.hopeless.astype(int).tolist(),
                    "hard": picture.hard.astype(int).tolist(),
                    "occluded": picture.occluded.round(4).tolist(),
                    "visible_px": picture.visible_px.tolist(),
                },
                group=scene,
                kind="plain" if picture.plain else "varied",
            )
        )
    return found
