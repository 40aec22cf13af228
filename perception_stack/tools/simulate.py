"""``perception-stack simulate``: a recording of a simulated scene with exact truth."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from perception_stack.geometry.board import Board
from perception_stack.io import messages
from perception_stack.io.bags import STORAGES, BagWriter
from perception_stack.io.recording import write_frame, write_static
from perception_stack.simulation.board_stream import board_stream
from perception_stack.simulation.road import RoadConfig, road_scene
from perception_stack.simulation.scene import Scene
from perception_stack.simulation.table import TableConfig, table_scene
from perception_stack.tools.console import progress, say

EXAMPLES = """examples:
  perception-stack simulate road --out road
  perception-stack simulate road --seed 7 --frames 100 --out road7
  perception-stack simulate table --out table --meshes table_meshes
  perception-stack simulate board --board aprilgrid:6x6:0.03:0.3 --out board

The recording has /points (road) or /depth (table), /image, /camera_info, /tf, /tf_static, /clock,
/detections of a simulated image detector and /ground_truth, where a score of 0 marks an object
that is too hidden to be asked for. A board is held before two cameras, /image and /right/image,
for perception-stack calibrate; the truth is in /camera_info, /right/camera_info and /tf_static.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("scene", choices=("road", "table", "board"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the recording")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another scene")
    parser.add_argument("--frames", type=int, help="number of frames, ten a second")
    parser.add_argument("--storage", choices=STORAGES, default="mcap")
    parser.add_argument(
        "--board", default="chessboard:9x6:0.025", help="what is held up, see calibrate camera"
    )
    parser.add_argument("--meshes", type=Path, help="also write the meshes of the table's objects")


def run(args: argparse.Namespace) -> int:
    """Simulate and record."""
    if args.scene == "board":
        num_frames = record_board(
            Board.parse(args.board),
            args.out,
            seed=args.seed,
            num_frames=25 if args.frames is None else args.frames,
            storage=args.storage,
        )
        say(f"{num_frames} pairs of images written to {args.out}")
        return 0
    scene = make_scene(args.scene, seed=args.seed, num_frames=args.frames)
    record(scene, args.out, storage=args.storage)
    say(f"{scene.num_frames} frames written to {args.out}")
    if args.meshes is not None:
        from perception_stack.simulation.table_objects import write_meshes

        write_meshes(args.meshes)
    return 0


def make_scene(name: str, *, seed: int, num_frames: int | None) -> Scene:
    """The road or the table.

    Raises:
        ConfigError: a seed or number of frames that cannot be.
    """
    if name == "road":
        road = RoadConfig(seed=seed)
        return road_scene(road if num_frames is None else replace(road, num_frames=num_frames))
    table = TableConfig(seed=seed)
    return table_scene(table if num_frames is None else replace(table, num_frames=num_frames))


def record(scene: Scene, path: Path, *, storage: str = "mcap") -> None:
    """Write every frame of a scene into a new bag.

    Raises:
        ConfigError: the path exists.
    """
    with (
        BagWriter(path, storage=storage) as bag,
        progress(scene.num_frames, "simulate", "frame") as bar,
    ):
        for i, frame in enumerate(scene.frames()):
            if i == 0:
                write_static(bag, scene.static_transforms, stamp_ns=frame.stamp_ns)
            countable = frame.visibility.countable.astype(np.float64)
            write_frame(
                bag,
                stamp_ns=frame.stamp_ns,
                transforms=frame.transforms,
                camera=frame.camera,
                truth=replace(frame.truth, score=countable),
                truth_ids=[str(one) for one in frame.track_ids],
                detections=frame.detections_2d,
                image=frame.image,
                depth=frame.depth,
                cloud=frame.cloud,
            )
            bar.update(1)


def record_board(
    board: Board, path: Path, *, seed: int, num_frames: int, storage: str = "mcap"
) -> int:
    """Write a board before a pair of cameras into a new bag; returns the number of pairs.

    Raises:
        ConfigError: the path exists, or no frames.
    """
    stream = board_stream(board, seed=seed, num_frames=num_frames)
    with (
        BagWriter(path, storage=storage) as bag,
        progress(num_frames, "simulate", "pair") as bar,
    ):
        write_static(bag, [stream.left_from_right], stamp_ns=0)
        for stamp_ns, pair in stream.pairs():
            for prefix, image, camera in zip(("", "/right"), pair, stream.cameras, strict=True):
                for topic, message in (
                    ("camera_info", messages.camera_to_msg(camera, stamp_ns=stamp_ns)),
                    ("image", messages.image_to_msg(image)),
                ):
                    bag.write(f"{prefix}/{topic}", message, log_time_ns=stamp_ns)
            bar.update(1)
    return len(stream.poses)
