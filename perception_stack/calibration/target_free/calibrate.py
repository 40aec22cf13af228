"""The pose of a LiDAR in a camera from what both happen to see, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from perception_stack.calibration.estimation.rotations import log
from perception_stack.calibration.grading.grade import Grade, Provenance
from perception_stack.calibration.target_free.config import AlignmentConfig
from perception_stack.calibration.target_free.grading import grade
from perception_stack.calibration.target_free.image_edges import ImageEdges
from perception_stack.calibration.target_free.scan_edges import ScanEdges, edges_in_view
from perception_stack.calibration.target_free.score import EdgeFrame, Score
from perception_stack.calibration.target_free.search import (
    BLURS_RAD,
    NUM_FINE,
    Found,
    refit,
    search,
    settle,
)
from perception_stack.calibration.target_free.view import Resampler, View
from perception_stack.datatypes import ColorImage, FloatArray, PointCloud
from perception_stack.errors import CalibrationError, FrameMismatchError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform

NUM_ROUNDS = 2 * len(BLURS_RAD)
"""How often ``progress`` of :func:`calibrate` is called."""

_REACH_SIGMAS = 2.0
_FEWEST_EDGES = 100
# Refits see the scatter of the patches, not what all patches share, nor that few patches make
# the scatter of refits too small. Found on simulated rigs, see docs/calibration_target_free.md.
_INFLATION = 1.5
_FLOOR_RAD, _FLOOR_M = np.deg2rad(0.02), 0.003


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AlignedFrame:
    """An image and a scan of the same moment.

    Attributes:
        name: For the report.
        image: Raw, as the camera model describes it.
        cloud: In the LiDAR's frame, all points or those in the camera's view. Without times the
            motion within it is undone, see ``lidar/deskew.py``; with times it is that of a steady
            speed along the LiDAR's x axis since the image was taken, which is found.
    """

    name: str
    image: ColorImage
    cloud: PointCloud


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """What was found.

    Attributes:
        camera_from_lidar: The pose.
        covariance: float64 [6, 6] over x, y, z and rotation about the camera's axes; m², m rad,
            rad².
        grade: How far it can be trusted.
    """

    camera_from_lidar: RigidTransform
    covariance: FloatArray
    grade: Grade


def calibrate(
    frames: Sequence[AlignedFrame],
    camera: CameraModel,
    *,
    start: RigidTransform,
    config: AlignmentConfig,
    now: datetime,
    progress: Callable[[], None] = lambda: None,
) -> Alignment:
    """Look for the pose of the LiDAR in the camera from a rough start.

    Args:
        frames: One at least; several of different scenes fix more.
        camera: Of all images.
        start: Camera from LiDAR.
        config: How rough it is.
        now: For the record.
        progress: Called :data:`NUM_ROUNDS` times.

    Raises:
        CalibrationError: no frame, an image of another size than the camera's, or too few edges.
        FrameMismatchError: images or clouds in other frames than the start says.
    """
    resampler = Resampler(camera)
    # as of one moment; how fast each frame moved is asked about the result only
    at_once = [replace(one, cloud=replace(one.cloud, time_offset_s=None)) for one in frames]
    seen = [_reduced(one, resampler, camera, start, config) for one in at_once]
    if not seen:
        raise CalibrationError("no frames; give an image and a scan at least")
    num_edges = sum(len(one.edges) for one in seen)
    if num_edges < _FEWEST_EDGES:
        raise CalibrationError(
            f"{num_edges} edges of scans lie in the view of '{camera.frame_id}', at least "
            f"{_FEWEST_EDGES} are needed; is the start right, and do clouds and images overlap?"
        )
    units = np.repeat([config.start_rotation_rad, config.start_translation_m], 3)
    rough = _scores(seen, start, units)
    guesses = search(rough, num_samples=config.num_samples, seed=config.seed, progress=progress)
    # which edges lie in view, and how large sums are by chance, depends on where one begins
    centre = rough[-1].pose(guesses[0].place)
    about = [
        replace(one, edges=_edges(one.image.view, frame, centre, config))
        for one, frame in zip(seen, frames, strict=True)
    ]
    scores = _scores(about, centre, units, NUM_FINE)
    found = settle(scores, guesses, rough[-1])
    places, lost = refit(scores, found, num=config.num_resamples, seed=config.seed)
    camera_from_lidar = scores[-1].pose(found[0].place)
    covariance = _covariance(scores[-1], found[0], places)
    by_chance = search(
        _scores([_mirrored(one) for one in seen], start, units),
        num_samples=config.num_samples,
        seed=config.seed,
        progress=progress,
    )
    arrays = [
        array.astype(np.float64) for one in frames for array in (one.image.bgr, one.cloud.xyz_m)
    ]
    return Alignment(
        camera_from_lidar=camera_from_lidar,
        covariance=covariance,
        grade=grade(
            [one.name for one in frames],
            camera,
            camera_from_lidar,
            covariance,
            scores=scores,
            found=found,
            lost=lost,
            by_chance=by_chance[0].value,
            provenance=Provenance.of("edges of scans and images", *arrays, now=now),
        ),
    )


def _reduced(
    frame: AlignedFrame,
    resampler: Resampler,
    camera: CameraModel,
    start: RigidTransform,
    config: AlignmentConfig,
) -> EdgeFrame:
    """Edges of the points that may come into view."""
    for what, expected, received in (
        (f"image '{frame.name}'", camera.frame_id, frame.image.frame_id),
        ("start", camera.frame_id, start.target),
        (f"cloud '{frame.name}'", start.source, frame.cloud.frame_id),
    ):
        if expected != received:
            raise FrameMismatchError(what, expected=expected, received=received)
    size = (camera.height_px, camera.width_px)
    if frame.image.bgr.shape[:2] != size:
        text = f"image '{frame.name}' is {frame.image.bgr.shape[1]}x{frame.image.bgr.shape[0]} px"
        raise CalibrationError(f"{text}, its camera {size[1]}x{size[0]}")
    view = resampler.look(frame.image)
    return EdgeFrame(image=ImageEdges(view), edges=_edges(view, frame, start, config))


def _edges(
    view: View, frame: AlignedFrame, camera_from_lidar: RigidTransform, config: AlignmentConfig
) -> ScanEdges:
    margin_rad = _REACH_SIGMAS * 2 * config.start_rotation_rad
    edges = edges_in_view(frame.cloud, view, camera_from_lidar, margin_rad=margin_rad)
    if frame.cloud.time_offset_s is None:
        return edges
    after_s = (frame.cloud.stamp_ns - frame.image.stamp_ns) * 1e-9
    return replace(edges, time_s=edges.time_s + after_s)


def _mirrored(frame: EdgeFrame) -> EdgeFrame:
    return replace(frame, image=ImageEdges(frame.image.view.mirrored()))


def _scores(
    frames: Sequence[EdgeFrame], start: RigidTransform, units: FloatArray, blurs: int = 0
) -> list[Score]:
    """From the most blurred on; the last ``blurs`` only, if given."""
    return [Score(frames, start=start, blur_rad=blur, units=units) for blur in BLURS_RAD[-blurs:]]


def _covariance(score: Score, found: Found, places: FloatArray) -> FloatArray:
    """Covariance over x, y, z and rotation about the camera's axes, of the refits."""
    best = score.pose(found.place)
    errors = []
    for place in places:
        change = score.pose(place) @ best.inverse()
        turn = log(change.rotation)
        shift = score.pose(place).translation_m - best.translation_m
        errors.append(np.concatenate([shift, turn]))
    error = np.array(errors)
    # about the result, not about their mean: a result that refits leave is less sure
    covariance = _INFLATION**2 * error.T @ error / len(error)
    floor = np.repeat([_FLOOR_M, _FLOOR_RAD], 3)
    return np.asarray(covariance + np.diag(floor**2))
