"""Calibrates two or more cameras that look at one board at the same time: lenses and places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from perception_stack.calibration.camera.adjustment import Adjustment, adjust, place_boards
from perception_stack.calibration.camera.bundle import RigState
from perception_stack.calibration.camera.calibrate import CameraCalibration, calibrate_camera
from perception_stack.calibration.camera.grading import CameraJudgement, observations
from perception_stack.calibration.estimation.rotations import covariance_of_inverse
from perception_stack.calibration.estimation.solver import (
    held_out_residuals,
)
from perception_stack.calibration.grading.grade import Grade, Observation, Provenance
from perception_stack.calibration.rig.grading import (
    CameraOnRig,
    Placement,
    grade_rig,
    judge_cameras,
)
from perception_stack.calibration.rig.rectification import rectified
from perception_stack.calibration.rig.views import AlignedViews, aligned_views, view_name
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.board import Board
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RigCalibration:
    """Cameras, where they sit, and how far to trust that.

    Attributes:
        cameras: The results; of two cameras of one kind with the rectification of a stereo pair.
        placements: Of the second and each further camera.
        alone: Each camera calibrated without the others.
        adjustment: The fit of all.
        held_out_px: float64 [N, 2] for each kept view.
        judgements: What the covariance means in the image of each.
        turned: Views that a camera had read in another order, by their name and the camera's.
        grade: What to think of it.
    """

    cameras: tuple[CameraModel, ...]
    placements: tuple[Placement, ...]
    alone: tuple[CameraCalibration, ...]
    adjustment: Adjustment
    held_out_px: tuple[FloatArray, ...]
    judgements: tuple[CameraJudgement, ...]
    turned: tuple[tuple[str, str], ...]
    grade: Grade


def calibrate_rig(
    views: Sequence[Sequence[Sighting | None]],
    board: Board,
    cameras: Sequence[CameraOnRig],
    *,
    now: datetime,
    left_out: Sequence[Observation] = (),
) -> RigCalibration:
    """The rig that took some views of a board.

    Args:
        views: For each instant what each camera saw of the board, None for nothing.
        board: What was seen.
        cameras: The cameras, in the order of a view; the first is the frame of the rig.
        now: Time of the calibration, for its provenance.
        left_out: Images that gave no sighting, and why.

    Raises:
        CalibrationError: a camera cannot be calibrated alone, or shares too few views with the
            others.
    """
    alone = tuple(_alone(views, board, c, one, now) for c, one in enumerate(cameras))
    aligned = aligned_views(views, board, [one.name for one in cameras], alone)
    state = _start(aligned, board, alone)
    lenses = [one.lens for one in alone]
    adjustment = adjust(lenses, aligned.views, board.points_m, state)
    held_out_px = held_out_residuals(adjustment.fit)
    names = [view_name(view) for view in aligned.views]
    placements = _placements(adjustment, cameras)
    models = tuple(
        lens.model(params, frame_id=one.frame_id, width_px=one.width_px, height_px=one.height_px)
        for lens, params, one in zip(
            lenses, adjustment.fit.state.lens_params, cameras, strict=True
        )
    )
    if len(models) == 2:
        models = rectified(models[0], models[1], placements[0].first_from_camera)
    judgements = judge_cameras(adjustment, lenses, cameras)
    others = [*aligned.refused, *left_out]
    return RigCalibration(
        cameras=models,
        placements=placements,
        alone=alone,
        adjustment=adjustment,
        held_out_px=tuple(held_out_px),
        judgements=judgements,
        turned=aligned.turned,
        grade=grade_rig(
            adjustment,
            held_out_px=held_out_px,
            judgements=judgements,
            placements=placements,
            cameras=cameras,
            lenses=lenses,
            board=board,
            seen=(*observations(adjustment, held_out_px, names), *others),
            turned=aligned.turned,
            provenance=Provenance.of(
                f"bundle adjustment of {len(cameras)} cameras and {board}",
                board.points_m,
                *(one.uv_px for view in views for one in view if one is not None),
                now=now,
            ),
        ),
    )


def _alone(
    views: Sequence[Sequence[Sighting | None]],
    board: Board,
    camera: int,
    one: CameraOnRig,
    now: datetime,
) -> CameraCalibration:
    seen = [sighting for view in views if (sighting := view[camera]) is not None]
    try:
        return calibrate_camera(
            seen,
            board,
            width_px=one.width_px,
            height_px=one.height_px,
            frame_id=one.frame_id,
            now=now,
            lens=one.lens,
        )
    except CalibrationError as error:
        raise CalibrationError(f"camera '{one.name}': {error}") from error


def _start(aligned: AlignedViews, board: Board, alone: Sequence[CameraCalibration]) -> RigState:
    rotations, translations = [np.eye(3)] * len(alone), [np.zeros(3)] * len(alone)
    for second, (first, pair) in aligned.pairs.items():
        rotations[second] = pair.rotation @ rotations[first]
        translations[second] = pair.rotation @ translations[first] + pair.translation_m
    state = RigState(
        lens_params=tuple(one.params for one in alone),
        rotations=np.stack(rotations),
        translations_m=np.stack(translations),
        board_rotations=np.broadcast_to(np.eye(3), (len(aligned.views), 3, 3)),
        board_translations_m=np.zeros((len(aligned.views), 3)),
    )
    return place_boards([one.lens for one in alone], aligned.views, board.points_m, state)


def _placements(adjustment: Adjustment, cameras: Sequence[CameraOnRig]) -> tuple[Placement, ...]:
    fit = adjustment.fit
    first = sum(len(one) for one in fit.state.lens_params)
    found = []
    for c in range(1, len(cameras)):
        rotation, shift = fit.state.rotations[c], fit.state.translations_m[c]
        camera_from_first = RigidTransform(
            target=cameras[c].frame_id,
            source=cameras[0].frame_id,
            rotation=rotation,
            translation_m=shift,
        )
        # the fit has the turn before the shift
        columns = first + 6 * (c - 1) + np.array([3, 4, 5, 0, 1, 2])
        covariance = fit.covariance[np.ix_(columns, columns)]
        found.append(
            Placement(
                first_from_camera=camera_from_first.inverse(),
                covariance=covariance_of_inverse(camera_from_first, covariance),
            )
        )
    return tuple(found)
