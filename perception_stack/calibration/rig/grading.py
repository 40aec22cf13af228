"""The grade of a rig: each camera's, where they sit, and the views' agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.calibration.camera.adjustment import Adjustment
from perception_stack.calibration.camera.grading import (
    CameraJudgement,
    advise,
    boards_of,
    effective_sigma_px,
    judge_camera,
    judge_fit,
)
from perception_stack.calibration.camera.lens import Lens
from perception_stack.calibration.grading.grade import (
    Grade,
    Observation,
    Parameter,
    Provenance,
    Verdict,
    worst,
)
from perception_stack.calibration.grading.transform import six_parameters
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.board import Board
from perception_stack.geometry.transforms import RigidTransform

# Of the distance between cameras, or of a tenth of the board's if they are close; and of the turn
_GOOD_WAY, _USABLE_WAY = 0.004, 0.02
_GOOD_TURN_RAD, _USABLE_TURN_RAD = np.deg2rad(0.05), np.deg2rad(0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraOnRig:
    """What is known of a camera before.

    Attributes:
        name: For people.
        frame_id: Optical frame.
        width_px: Of its images.
        height_px: Of its images.
        lens: Kind of camera; None to choose it by held-out error.
    """

    name: str
    frame_id: str
    width_px: int
    height_px: int
    lens: Lens | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """Where a further camera sits.

    Attributes:
        first_from_camera: Takes points of the camera to the first camera.
        covariance: float64 [6, 6], x, y, z and rotation about the first camera's axes.
    """

    first_from_camera: RigidTransform
    covariance: FloatArray


def judge_cameras(
    adjustment: Adjustment, lenses: Sequence[Lens], cameras: Sequence[CameraOnRig]
) -> tuple[CameraJudgement, ...]:
    """What the covariance means in the image of each camera."""
    fit, used, found = adjustment.fit, 0, []
    for c, (lens, params, one) in enumerate(
        zip(lenses, fit.state.lens_params, cameras, strict=True)
    ):
        columns = slice(used, used + len(params))
        used += len(params)
        found.append(
            judge_camera(
                lens,
                params,
                fit.covariance[columns, columns],
                [s for view in adjustment.views if (s := view[c]) is not None],
                camera_from_board=boards_of(fit.state, c),
                size_px=(one.width_px, one.height_px),
            )
        )
    return tuple(found)


def grade_rig(
    adjustment: Adjustment,
    *,
    held_out_px: Sequence[FloatArray],
    judgements: Sequence[CameraJudgement],
    placements: Sequence[Placement],
    cameras: Sequence[CameraOnRig],
    lenses: Sequence[Lens],
    board: Board,
    seen: Sequence[Observation],
    turned: Sequence[tuple[str, str]],
    provenance: Provenance,
) -> Grade:
    """The grade of lenses and places together."""
    fit = adjustment.fit
    verdict, doubts, fitted, held_out = judge_fit(
        adjustment, held_out_px, width_px=min(one.width_px for one in cameras)
    )
    distance_m = float(np.median(np.linalg.norm(fit.state.board_translations_m, axis=1)))
    placed, reasons = zip(*(_judge_placement(one, distance_m) for one in placements), strict=True)
    verdict = worst(verdict, *(one.verdict for one in judgements), *placed)
    parameters = [
        Parameter(
            name=f"{camera.name} {one.name}",
            value=one.value,
            std=one.std,
            unit=one.unit,
            observable=one.observable,
        )
        for camera, judgement in zip(cameras, judgements, strict=True)
        for one in judgement.parameters
    ]
    num_lens = len(parameters)
    for camera, placement in zip(cameras[1:], placements, strict=True):
        parameters += _placement_parameters(camera.name, placement)
    covariance = np.zeros((len(parameters), len(parameters)))
    covariance[:num_lens, :num_lens] = fit.covariance[:num_lens, :num_lens]
    for c, placement in enumerate(placements):
        rows = slice(num_lens + 6 * c, num_lens + 6 * (c + 1))
        covariance[rows, rows] = placement.covariance
    loosest = int(np.argmax([np.nanmedian(one.std_px) for one in judgements]))
    advice: tuple[str, ...] = ()
    if verdict is not Verdict.GOOD:
        start = sum(len(one) for one in fit.state.lens_params[:loosest])
        params = fit.state.lens_params[loosest]
        columns = slice(start, start + len(params))
        advice = (
            f"Take views for camera '{cameras[loosest].name}', in sight of the others:",
            *advise(
                lenses[loosest],
                params,
                fit.covariance[columns, columns],
                board,
                sigma_px=effective_sigma_px(fit.sigma, fit.inflation),
                size_px=(cameras[loosest].width_px, cameras[loosest].height_px),
                change=judgements[loosest].change,
            ),
        )
    flips = [f"'{camera}' had read '{name}' turned; it was put right." for name, camera in turned]
    return Grade(
        verdict=verdict,
        why=(
            *doubts,
            *reasons,
            *(
                f"Camera '{camera.name}': {' '.join(one.why)}"
                for camera, one in zip(cameras, judgements, strict=True)
            ),
            *flips,
        ),
        advice=advice,
        direction=" ".join(
            f"The transform of '{camera.name}' takes points of {one.first_from_camera.source} to "
            f"{one.first_from_camera.target}; its way is where the camera is there."
            for camera, one in zip(cameras[1:], placements, strict=True)
        ),
        fitted=fitted,
        held_out=held_out,
        parameters=tuple(parameters),
        covariance=covariance,
        observations=tuple(seen),
        coverage={
            f"{camera.name}, {name}": share
            for camera, one in zip(cameras, judgements, strict=True)
            for name, share in one.coverage.items()
        },
        provenance=provenance,
    )


def _judge_placement(placement: Placement, distance_m: float) -> tuple[Verdict, str]:
    std = np.sqrt(np.diag(placement.covariance))
    way_m = float(np.linalg.norm(placement.first_from_camera.translation_m))
    share = float(np.linalg.norm(std[:3])) / max(way_m, 0.1 * distance_m)
    turn_rad = float(np.linalg.norm(std[3:]))
    text = (
        f"{placement.first_from_camera.source} is {1e3 * way_m:.2f} mm away, known to "
        f"{1e3 * np.linalg.norm(std[:3]):.2g} mm and {np.rad2deg(turn_rad):.2g} degrees."
    )
    if share <= _GOOD_WAY and turn_rad <= _GOOD_TURN_RAD:
        return Verdict.GOOD, text
    if share <= _USABLE_WAY and turn_rad <= _USABLE_TURN_RAD:
        return Verdict.USABLE, text
    return Verdict.NOT_ENOUGH, text


def _placement_parameters(name: str, placement: Placement) -> tuple[Parameter, ...]:
    way_m = float(np.linalg.norm(placement.first_from_camera.translation_m))
    kinds = ("x", "y", "z", "turn about x", "turn about y", "turn about z")
    return six_parameters(
        placement.first_from_camera,
        placement.covariance,
        names=[f"{name} {kind}" for kind in kinds],
        limits=np.repeat([max(way_m, 1e-3), _USABLE_TURN_RAD], 3),
    )
