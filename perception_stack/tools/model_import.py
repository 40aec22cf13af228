"""``perception-stack model import``: a published network on LiDAR scans as a file to be run."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from perception_stack.tools.console import say

EXAMPLES = """examples:
  perception-stack model import pointpillar_7728.pth \\
      --model config/models/pointpillars_kitti_openpcdet.yaml --out out/kitti
  perception-stack model import epoch_160.pth --layout zhulf0804 \\
      --model config/models/pointpillars_kitti_zhulf0804.yaml --out out/kitti

Layouts: openpcdet, mmdet3d (1.0 and later), mmdet3d_v0, zhulf0804; found out where the checkpoint
tells. OUT gets the ONNX file and the manifest, for lidar_network.model. See
docs/lidar_networks.md.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("checkpoint", type=Path, help="weights as they were published")
    parser.add_argument(
        "--model", type=Path, required=True, metavar="MANIFEST", help="what the weights are of"
    )
    parser.add_argument("--layout", default="", help="whose names they have; default: found out")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")


def run(args: argparse.Namespace) -> int:
    """Read, check, export."""
    from perception_stack.pillars.checkpoints import import_checkpoint
    from perception_stack.pillars.export import export_onnx
    from perception_stack.pillars.manifest import load_manifest

    manifest = load_manifest(args.model, model_dir=args.out)
    network = import_checkpoint(args.checkpoint, manifest, layout=args.layout)
    args.out.mkdir(parents=True, exist_ok=True)
    export_onnx(network, manifest, manifest.file)
    written = args.out / args.model.name
    if written.resolve() != args.model.resolve():
        shutil.copyfile(args.model, written)
    say(f"{manifest.name}: {manifest.file}; use it as lidar_network.model:={written}")
    return 0
