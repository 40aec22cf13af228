"""``perception-stack model quantise``: a network in 8 bits, judged before it is written."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from perception_stack.detection.manifest import Manifest, load_manifest
from perception_stack.detection.quantisation.graph import require_quantiser, write_half
from perception_stack.detection.quantisation.manifest_file import write_manifest
from perception_stack.errors import ConfigError
from perception_stack.io.image_files import image_files, load_images
from perception_stack.io.image_sets import LabelledImage
from perception_stack.io.image_sets.folder import read_split
from perception_stack.pipeline.quantisation.judge import Judgement, judge
from perception_stack.pipeline.quantisation.pictures import Pictures, boxes_of, sure_of
from perception_stack.pipeline.quantisation.quantise import quantise
from perception_stack.pipeline.quantisation.report import write_report
from perception_stack.tools.console import progress, say, table

EXAMPLES = """examples:
  perception-stack model quantise --model yolox_nano.yaml --images pictures --out out/int8
  perception-stack model quantise --model net.yaml --data coco/ --split val --max-loss 0.005 \\
      --out out/int8
  perception-stack model quantise --model net.yaml --data kitti/ --split all --out out/int8
  perception-stack model quantise --model net.yaml --images pictures --precision fp16 --out fp16

Some of the images calibrate, the others judge. --data is a folder in COCO's or KITTI's format, as
for "perception-stack model evaluate"; of --images, which has no labels, the boxes of the float
model are the truth, so the loss is how far the two disagree. The folder gets NAME-int8.onnx, its
manifest, and report.json and report.html. Nothing but the report is written, and the exit code is
1, when the mean over classes loses more than --max-loss, or a class does for certain (95 %).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--model", type=Path, required=True, metavar="MANIFEST", help="the model")
    parser.add_argument("--model-dir", default="", metavar="DIR", help="folder of the model file")
    seen = parser.add_mutually_exclusive_group(required=True)
    seen.add_argument("--images", type=Path, metavar="DIR", help="images like those to come")
    seen.add_argument("--data", type=Path, metavar="DIR", help="images and labels")
    parser.add_argument("--split", default="val", help="of --data; default: val; KITTI has all")
    parser.add_argument(
        "--max-loss", type=float, default=0.01, help="of average precision; default: 0.01"
    )
    parser.add_argument(
        "--calibrate",
        type=float,
        default=0.3,
        metavar="SHARE",
        help="share of the images that calibrates; default: 0.3",
    )
    parser.add_argument("--precision", choices=("int8", "fp16"), default="int8")
    parser.add_argument(
        "--reduce-range",
        action="store_true",
        help="7 bits for weights, for x86 processors without VNNI",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")


def run(args: argparse.Namespace) -> int:
    """Quantise, judge, and write what may be used."""
    require_quantiser()
    if not 0 <= args.max_loss <= 1 or not 0 < args.calibrate < 1:
        raise ConfigError("--max-loss lies between 0 and 1, --calibrate between them")
    folder = Path(args.model_dir) if args.model_dir else None
    manifest = load_manifest(args.model, model_dir=folder)
    if manifest.file.suffix != ".onnx":
        raise ConfigError(f"{manifest.file.name} is no ONNX file; export the model to one")
    calibrating, judging = _pictures(args, manifest).split(args.calibrate)
    name = f"{manifest.file.stem}-{args.precision}"
    with tempfile.TemporaryDirectory() as scratch:
        trial = Path(scratch) / f"{name}.onnx"
        found = None
        if args.precision == "fp16":
            write_half(manifest.file, trial)
        else:
            with progress(0, "quantise", "step") as bar:
                found = quantise(
                    manifest,
                    calibrating,
                    trial,
                    max_loss=args.max_loss,
                    reduce_range=args.reduce_range,
                    on_step=lambda text: bar.set_postfix_str(text) or bar.update(1),
                )
        judgement = judge(
            manifest,
            trial,
            judging,
            precision=args.precision,
            truth=f"labels of {args.data.name}" if args.data else "boxes of the float model",
            num_calibrating=len(calibrating.images),
            max_loss=args.max_loss,
            search=found,
        )
        write_report(args.out, judgement)
        _say(judgement)
        say(f"written to {args.out / 'report.html'}")
        if judgement.refusal:
            say(f"refused, no model is written: {judgement.refusal}")
            return 1
        (args.out / trial.name).write_bytes(trial.read_bytes())
    target = args.out / f"{name}.yaml"
    write_manifest(manifest, target, file=trial.name, name=f"{manifest.name} in {args.precision}")
    say(f"written to {target}")
    return 0


def _pictures(args: argparse.Namespace, manifest: Manifest) -> Pictures:
    labelled = _labelled(args, manifest) if args.data else ()
    files = [one.path for one in labelled] if args.data else image_files(args.images)
    images = tuple(load_images(files))
    with progress(len(images), "float model", "image") as bar:
        before = boxes_of(manifest, images, on_image=lambda: bar.update(1))
    if args.data:
        truth = tuple(one.truth for one in labelled)
    else:
        truth = tuple(sure_of(one, threshold=manifest.score_threshold) for one in before)
    return Pictures(images=images, truth=truth, before=before)


def _labelled(args: argparse.Namespace, manifest: Manifest) -> tuple[LabelledImage, ...]:
    return read_split(args.data, args.split).renamed(manifest.class_map).images


def _say(judgement: Judgement) -> None:
    for backend, changes in judgement.changes.items():
        rows = [
            (one.name, one.num_truth, one.before, one.after, f"{one.low:+.3f} to {one.high:+.3f}")
            for one in changes
        ]
        say(f"average precision on {backend}")
        say(table(("class", "objects", "before", "after", "95 % of the change"), rows))
    times = [(one.backend, one.before_ms, one.after_ms, one.ratio) for one in judgement.timings]
    say(table(("back end", "before ms", "after ms", "ratio"), times))
