"""``perception-stack train pillars``: our own network on LiDAR scans, on any labelled scans."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from perception_stack.errors import DataFileError
from perception_stack.tools.console import progress, say
from perception_stack.tools.training import (
    LOOP_HELP,
    add_loop_arguments,
    configs,
    train_and_export,
)

if TYPE_CHECKING:
    from perception_stack.training.pillars.scans import Scan

SIMULATOR = "sim"
_SEEDS = {"train": 1_000, "val": 500_000, "test": 600_000}
_SHARES = {"train": 1.0, "val": 0.05, "test": 0.1}
_PER_STREET = 3

EXAMPLES = f"""examples:
  perception-stack train pillars --data sim --out out/pillars
  perception-stack train pillars --data sim --streets 1000 --epochs 40 --out out/pillars
  perception-stack train pillars --data kitti/ --from out/pillars/best.pt --out out/kitti

The manifest says what is trained: a network of family centerpoint, whose ranges, pillars and
channels may be changed in a copy. "sim" simulates streets into OUT/scans first; DIR is a folder in
KITTI's format (training/velodyne, calib, label_2, ImageSets/train.txt and val.txt).

{LOOP_HELP}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--data", required=True, metavar="sim|DIR", help="scans and labels")
    parser.add_argument(
        "--model", type=Path, required=False, metavar="MANIFEST", help="what to train"
    )
    parser.add_argument("--streets", type=int, default=300, help="with sim: streets to train on")
    add_loop_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Train, score, export."""
    from perception_stack.pillars.manifest import load_manifest
    from perception_stack.training.pillars.task import PillarsTask, PillarsTaskConfig

    given = args.model or Path(__file__).parents[2] / "config" / "models" / "centerpoint_sim.yaml"
    manifest = load_manifest(given, model_dir=args.out)
    loop, sizes = configs(args, PillarsTaskConfig)
    files = _scans(args)
    for split, some in files.items():
        say(f"{split}: {len(some)} scans")
    task = PillarsTask(files, manifest, sizes, given=given, seed=loop.seed)
    train_and_export(task, loop, args, tests=[one for one in files if one == "test"])
    say(f"model, manifest and card: {args.out.resolve()}")
    return 0


def _scans(args: argparse.Namespace) -> dict[str, list[Path]]:
    """Files of each split, made if they are not there.

    Raises:
        DataFileError: a folder that is not of KITTI's format.
    """
    from perception_stack.training.pillars import scans

    made: dict[str, tuple[int, Iterable[Scan]]] = {}
    if args.data == SIMULATOR:
        for split, share in _SHARES.items():
            num = max(1, round(share * args.streets))
            some = scans.simulated(_SEEDS[split], num, per_street=_PER_STREET)
            made[split] = num * _PER_STREET, some
    else:
        root = Path(args.data)
        for split in ("train", "val"):
            frames = _frames(root, split)
            made[split] = len(frames), scans.kitti(root / "training", frames)
    return {
        split: _kept(args.out / "scans" / split, num, some) for split, (num, some) in made.items()
    }


def _kept(folder: Path, num: int, some: Iterable[Scan]) -> list[Path]:
    """Write scans that are not there yet."""
    from perception_stack.training.pillars import scans

    done = folder / "done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with progress(num, f"scans to {folder.name} on", "scan") as bar:
            for i, scan in enumerate(some):
                scans.write(folder / f"{i:06d}.npz", scan)
                bar.update(1)
        done.touch()
    return sorted(folder.glob("*.npz"))


def _frames(root: Path, split: str) -> list[str]:
    """Frames of a split that have a scan."""
    path = root / "ImageSets" / f"{split}.txt"
    try:
        named = path.read_text(encoding="utf-8").split()
    except OSError as error:
        raise DataFileError(path, f"it lists the frames of {split}: {error.strerror}") from error
    there = [one for one in named if (root / "training" / "velodyne" / f"{one}.bin").exists()]
    if not there:
        raise DataFileError(path, "none of its frames is in training/velodyne")
    return there
