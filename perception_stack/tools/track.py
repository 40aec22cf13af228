"""``perception-stack track``: published detections of a data set through the tracker alone."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np

from perception_stack.datatypes import FloatArray, TrackedObjects
from perception_stack.errors import ConfigError
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.io.kitti.rrc import FOLDERS
from perception_stack.io.kitti.sequences import TrackingSequence, read_sequence, sequence_names
from perception_stack.io.kitti.tracks import (
    KittiTracks,
    tracks_in_image,
    with_track_scores,
    write_tracks,
)
from perception_stack.io.track_numbers import TrackNumbers
from perception_stack.journal import Journal
from perception_stack.tools.console import progress, say
from perception_stack.tools.run import JOURNAL, chain_config, write_journal
from perception_stack.tracking.space.camera_view import CameraView
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.history import Frame
from perception_stack.tracking.space.sight import Sight
from perception_stack.tracking.space.smoothing import FixedLagSmoother, smoothed
from perception_stack.tracking.space.tracker import Tracker

_HALF_VIEW_RAD = np.deg2rad(41.0)  # of KITTI's colour cameras

EXAMPLES = """examples:
  perception-stack track kitti --root kitti_tracking --detections pointrcnn --out out/tracks
  perception-stack track kitti --root kitti_tracking --detections pointrcnn+rrc2d --out out/fused
  perception-stack track kitti --root kitti_tracking --sequences 0006 0010 --out out/tracks
  perception-stack track kitti --root kitti_tracking --lag 1.0 --out out/lagged
  perception-stack track kitti --root DIR --params-file config/navigation.param.yaml --out out/t

DIR has detection/pointrcnn_{Car,Cyclist,Pedestrian}, for +rrc2d detection/rrc2d_{Car,Pedestrian},
calib and orbslam3_pose; labels are never read. --out gets one file NNNN.txt per sequence, all
classes in it, in KITTI's tracking format, and journal.json. The score is the mean over the track
of the log odds of existence: 0 means as likely as not. KITTI labels only what the camera sees,
so objects outside of the image are left out.
Score the result: perception-stack evaluate kitti-tracking --tracks out/tracks --root DIR
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("dataset", choices=("kitti",), help="format of detections and tracks")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="tracking folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tracks")
    parser.add_argument(
        "--detections",
        default="pointrcnn",
        help="pointrcnn, or pointrcnn+rrc2d for the camera's as well (default: pointrcnn)",
    )
    parser.add_argument(
        "--sequences", nargs="+", default=(), metavar="NNNN", help="which ones (default: all)"
    )
    parser.add_argument(
        "--params-file", type=Path, help="parameter file (default: for calibrated scores)"
    )
    parser.add_argument(
        "--image-size",
        nargs=2,
        type=int,
        metavar=("WIDTH", "HEIGHT"),
        help="of the image, px (default: what the camera of the day of recording had)",
    )
    later = parser.add_mutually_exclusive_group()
    later.add_argument(
        "--smooth", action="store_true", help="use the whole recording for every frame"
    )
    later.add_argument(
        "--lag", type=float, metavar="SECONDS", help="use what comes up to so long after a frame"
    )


def run(args: argparse.Namespace) -> int:
    """Track and write."""
    with_images = _with_images(args.detections)
    config = TrackerConfig.for_calibrated_scores()
    if args.params_file is not None:
        config = chain_config(args.params_file, []).tracker
    image_size_px = _image_size(args.image_size)
    if args.lag is not None and not args.lag > 0:
        raise ConfigError(f"--lag {args.lag}: must be above 0; without it nothing is waited for")
    names = sequence_names(args.root, args.sequences)
    args.out.mkdir(parents=True, exist_ok=True)
    journals = {name: Journal() for name in names}
    num_rows = num_frames = 0
    with progress(len(names), "track", "sequence") as bar:
        for name in names:
            sequence = read_sequence(
                args.root,
                name,
                fixed_frame=config.fixed_frame,
                image_size_px=image_size_px,
                with_image_detections=with_images,
            )
            lag_s = np.inf if args.smooth else args.lag
            tracks = (
                tracked(sequence, config, journals[name])
                if lag_s is None
                else smoothed_lists(sequence, config, journals[name], lag_s=lag_s)
            )
            num_rows += write_tracks(
                args.out / f"{name}.txt", with_track_scores(as_kitti(sequence, tracks))
            )
            num_frames += len(sequence)
            bar.update(1)
    write_journal(args.out / JOURNAL, journals)
    say(f"{num_frames} frames of {len(names)} sequences, {num_rows} boxes, written to {args.out}")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """The tracked list of one frame, and where the camera detected some of its objects."""

    objects: TrackedObjects
    xyxy_px_of: dict[UUID, FloatArray] = field(default_factory=dict)


def tracked(
    sequence: TrackingSequence, config: TrackerConfig, journal: Journal
) -> list[Tracked | None]:
    """The tracked list of each frame, in the fixed frame; None where the tracker gave none."""
    tracker = Tracker(config, journal)
    lists: list[Tracked | None] = []
    for index in range(len(sequence)):
        one = None
        for frame in frames_of(sequence, index):
            objects = tracker.take(frame)
            if objects is not None:
                one = _tracked(sequence, index, objects, tracker.known.image_rows)
        lists.append(one)
    return lists


def smoothed_lists(
    sequence: TrackingSequence,
    config: TrackerConfig,
    journal: Journal,
    *,
    lag_s: float = np.inf,
) -> list[Tracked | None]:
    """As :func:`tracked`, every frame with the use of those up to ``lag_s`` after it."""
    indices = range(len(sequence))
    frames = (frame for index in indices for frame in frames_of(sequence, index))
    if np.isinf(lag_s):
        found_later = smoothed(frames, config, journal)
    else:
        smoother = FixedLagSmoother(config, journal, lag_s=lag_s)
        found_later = [one for frame in frames for one in smoother.take(frame)]
        found_later += smoother.flush()
    # of one stamp the last one knows most
    by_stamp = {one.objects.stamp_ns: one for one in found_later}
    found = [by_stamp.get(sequence.detections[index].stamp_ns) for index in indices]
    return [
        None if one is None else _tracked(sequence, index, one.objects, one.image_rows)
        for index, one in enumerate(found)
    ]


def frames_of(sequence: TrackingSequence, index: int) -> Iterator[Frame]:
    """What the tracker is given of one frame: boxes, and the detections in the image if any."""
    pose = sequence.fixed_from_rect[index]
    sight = Sight(
        origin_m=pose.translation_m,
        ahead=np.ascontiguousarray(pose.rotation[:, 2]),
        half_angle_rad=_HALF_VIEW_RAD,
    )
    yield Frame(seen=transform_boxes(sequence.detections[index], pose), sight=sight)
    if sequence.image_detections is not None:
        view = CameraView(
            detections=sequence.image_detections[index],
            camera=sequence.camera,
            camera_from_fixed=sequence.camera_from_rect @ pose.inverse(),
            classes=tuple(FOLDERS),
        )
        yield Frame(seen=view)


def _tracked(
    sequence: TrackingSequence, index: int, objects: TrackedObjects, image_rows: dict[UUID, int]
) -> Tracked:
    images = sequence.image_detections
    found = (
        {}
        if images is None
        else {one: images[index].xyxy_px[row] for one, row in image_rows.items()}
    )
    return Tracked(objects=objects, xyxy_px_of=found)


def as_kitti(sequence: TrackingSequence, tracks: list[Tracked | None]) -> dict[int, KittiTracks]:
    """The lists by frame number as a result file has them."""
    numbers = TrackNumbers()
    return {
        frame: tracks_in_image(
            one.objects,
            rect_from_fixed=sequence.fixed_from_rect[frame].inverse(),
            camera_from_rect=sequence.camera_from_rect,
            camera=sequence.camera,
            numbers=numbers,
            xyxy_px_of=one.xyxy_px_of,
        )
        for frame, one in enumerate(tracks)
        if one is not None
    }


def _with_images(detections: str) -> bool:
    if detections not in ("pointrcnn", "pointrcnn+rrc2d"):
        text = "type --detections pointrcnn or --detections pointrcnn+rrc2d"
        raise ConfigError(f"unknown detections '{detections}'; {text}")
    return detections == "pointrcnn+rrc2d"


def _image_size(given: list[int] | None) -> tuple[int, int] | None:
    if given is None:
        return None
    width_px, height_px = given
    if width_px < 1 or height_px < 1:
        raise ConfigError(f"--image-size {width_px} {height_px}: both must be at least 1")
    return width_px, height_px
