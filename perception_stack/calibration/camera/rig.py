"""Calibrates two or more cameras that look at one board at the same time: lenses and places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from perception_stack.calibration.camera.adjustment import (
    LEAST_VIEWS,
    Adjustment,
    TooFewViewsError,
    adjust,
    place_boards,
)
from perception_stack.calibration.camera.alignment import (
    BoardPoses,
    PairAlignment,
    align_pair,
    spanning_tree,
)
from perception_stack.calibration.camera.bundle import RigState
from perception_stack.calibration.camera.grading import (
    CameraJudgement,
    advise,
    boards_of,
    effective_sigma_px,
    judge_camera,
    judge_fit,
    observations,
    worst,
)
from perception_stack.calibration.camera.intrinsics import CameraCalibration, calibrate_camera
from perception_stack.calibration.camera.lens import Lens
from perception_stack.calibration.camera.rectification import rectified
from perception_stack.calibration.grade import (
    Grade,
    Observation,
    Parameter,
    Provenance,
    Verdict,
)
from perception_stack.calibration.solver import held_out_residuals
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.board import Board
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform

_LEAST_SHARED = 3
# Of the distance between cameras, or of the board's if they are close; and of the turn
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
    kept, aligned, turned, refused = _aligned(views, board, cameras, alone)
    state = _start(kept, board, alone, aligned)
    lenses = [one.lens for one in alone]
    adjustment = adjust(lenses, kept, board.points_m, state)
    held_out_px = held_out_residuals(adjustment.fit)
    names = [_name(view) for view in kept]
    placements = _placements(adjustment, cameras)
    models = tuple(
        lens.model(params, frame_id=one.frame_id, width_px=one.width_px, height_px=one.height_px)
        for lens, params, one in zip(
            lenses, adjustment.fit.state.lens_params, cameras, strict=True
        )
    )
    if len(models) == 2:
        models = rectified(models[0], models[1], placements[0].first_from_camera)
    judgements = _judgements(adjustment, lenses, cameras)
    others = [*refused, *left_out]
    return RigCalibration(
        cameras=models,
        placements=placements,
        alone=alone,
        adjustment=adjustment,
        held_out_px=tuple(held_out_px),
        judgements=judgements,
        turned=turned,
        grade=_grade(
            adjustment,
            held_out_px=held_out_px,
            judgements=judgements,
            placements=placements,
            cameras=cameras,
            lenses=lenses,
            board=board,
            seen=(*observations(adjustment, held_out_px, names), *others),
            turned=turned,
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


def _aligned(
    views: Sequence[Sequence[Sighting | None]],
    board: Board,
    cameras: Sequence[CameraOnRig],
    alone: Sequence[CameraCalibration],
) -> tuple[
    list[list[Sighting | None]],
    dict[int, tuple[int, PairAlignment]],
    tuple[tuple[str, str], ...],
    list[Observation],
]:
    """Views with all boards read in one order, pairs of cameras, what was turned and refused."""
    kept: list[list[Sighting | None]] = []
    poses: list[BoardPoses] = []
    for camera, one in enumerate(alone):
        state, used = one.adjustment.fit.state, one.adjustment.kept
        clean = {
            one.sightings[v].name: view[0]
            for v, view in zip(used, one.adjustment.views, strict=True)
        }
        row = {v: i for i, v in enumerate(used)}
        number = {one.sightings[v].name: row[v] for v in used}
        mine = [
            (v, number[s.name])
            for v, view in enumerate(views)
            if (s := view[camera]) is not None and s.name in number
        ]
        index = np.array([i for _, i in mine], dtype=np.intp)
        poses.append(
            BoardPoses(
                view=np.array([v for v, _ in mine], dtype=np.intp),
                rotations=state.board_rotations[index],
                translations_m=state.board_translations_m[index],
            )
        )
        for v, view in enumerate(views):
            if camera == 0:
                kept.append([None] * len(cameras))
            s = view[camera]
            kept[v][camera] = None if s is None else clean.get(s.name)
    return _in_one_order(kept, poses, board, cameras)


def _in_one_order(
    kept: list[list[Sighting | None]],
    poses: list[BoardPoses],
    board: Board,
    cameras: Sequence[CameraOnRig],
) -> tuple[
    list[list[Sighting | None]],
    dict[int, tuple[int, PairAlignment]],
    tuple[tuple[str, str], ...],
    list[Observation],
]:
    symmetries = board.symmetries()
    aligned: dict[int, tuple[int, PairAlignment]] = {}
    turned: list[tuple[str, str]] = []
    refused: dict[int, str] = {}
    for first, second in spanning_tree([one.view for one in poses]):
        pair = align_pair(poses[first], poses[second], board)
        if pair.agrees.sum() < _LEAST_SHARED:
            raise CalibrationError(
                f"cameras '{cameras[first].name}' and '{cameras[second].name}' agree on where "
                f"they are in {pair.agrees.sum()} views, {_LEAST_SHARED} are needed; are the "
                "images of the same instants?"
            )
        aligned[second] = first, pair
        for view, order, agrees in zip(pair.view, pair.order, pair.agrees, strict=True):
            sighting = kept[view][second]
            if sighting is None:
                continue
            if not agrees:
                refused[int(view)] = (
                    f"cameras '{cameras[first].name}' and '{cameras[second].name}' disagree "
                    "about where the board is: not of one instant, or a board read wrongly"
                )
            elif order:
                turned.append((sighting.name, cameras[second].name))
                kept[view][second] = Sighting(
                    name=sighting.name,
                    point_idx=np.argsort(symmetries[order])[sighting.point_idx],
                    uv_px=sighting.uv_px,
                )
    missing = [one.name for c, one in enumerate(cameras) if c and c not in aligned]
    if missing:
        raise CalibrationError(f"{', '.join(missing)} share no view of the board with the others")
    told = [
        Observation(name=_name(kept[v]), used=False, error=np.nan, reason=text)
        for v, text in refused.items()
    ]
    rest = [
        view
        for v, view in enumerate(kept)
        if v not in refused and any(one is not None for one in view)
    ]
    if len(rest) < LEAST_VIEWS:
        raise TooFewViewsError(len(rest), refused)
    return rest, aligned, tuple(turned), told


def _start(
    views: Sequence[Sequence[Sighting | None]],
    board: Board,
    alone: Sequence[CameraCalibration],
    aligned: dict[int, tuple[int, PairAlignment]],
) -> RigState:
    rotations, translations = [np.eye(3)] * len(alone), [np.zeros(3)] * len(alone)
    for second, (first, pair) in aligned.items():
        rotations[second] = pair.rotation @ rotations[first]
        translations[second] = pair.rotation @ translations[first] + pair.translation_m
    state = RigState(
        lens_params=tuple(one.params for one in alone),
        rotations=np.stack(rotations),
        translations_m=np.stack(translations),
        board_rotations=np.broadcast_to(np.eye(3), (len(views), 3, 3)),
        board_translations_m=np.zeros((len(views), 3)),
    )
    return place_boards([one.lens for one in alone], views, board.points_m, state)


def _placements(adjustment: Adjustment, cameras: Sequence[CameraOnRig]) -> tuple[Placement, ...]:
    fit = adjustment.fit
    first = sum(len(one) for one in fit.state.lens_params)
    found = []
    for c in range(1, len(cameras)):
        rotation, shift = fit.state.rotations[c], fit.state.translations_m[c]
        x, y, z = shift
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        # of the inverse: rows are way and turn, columns are turn and way of camera from first
        change = np.block([[-rotation.T @ cross, -rotation.T], [-rotation.T, np.zeros((3, 3))]])
        columns = slice(first + 6 * (c - 1), first + 6 * c)
        found.append(
            Placement(
                first_from_camera=RigidTransform(
                    target=cameras[0].frame_id,
                    source=cameras[c].frame_id,
                    rotation=rotation.T,
                    translation_m=-rotation.T @ shift,
                ),
                covariance=change @ fit.covariance[columns, columns] @ change.T,
            )
        )
    return tuple(found)


def _judgements(
    adjustment: Adjustment, lenses: Sequence[Lens], cameras: Sequence[CameraOnRig]
) -> tuple[CameraJudgement, ...]:
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


def _grade(
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
    fit = adjustment.fit
    verdict, doubts, fitted, held_out = judge_fit(
        adjustment, held_out_px, width_px=min(one.width_px for one in cameras)
    )
    distance_m = float(np.median(np.linalg.norm(fit.state.board_translations_m, axis=1)))
    placed, reasons = zip(*(_judge_placement(one, distance_m) for one in placements), strict=True)
    verdict = worst([verdict, *(one.verdict for one in judgements), *placed])
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
    loosest = int(np.argmax([np.median(one.std_px) for one in judgements]))
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
                seen=judgements[loosest].seen,
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


def _placement_parameters(name: str, placement: Placement) -> list[Parameter]:
    from scipy.spatial.transform import Rotation

    values = [
        *placement.first_from_camera.translation_m,
        *Rotation.from_matrix(placement.first_from_camera.rotation).as_rotvec(),
    ]
    kinds = ("x", "y", "z", "turn about x", "turn about y", "turn about z")
    std = np.sqrt(np.diag(placement.covariance))
    return [
        Parameter(
            name=f"{name} {kind}",
            value=float(value),
            std=float(one),
            unit="m" if i < 3 else "rad",
            observable=bool(one < (placement_limit_m if i < 3 else _USABLE_TURN_RAD)),
        )
        for i, (kind, value, one, placement_limit_m) in enumerate(
            zip(kinds, values, std, [_limit_m(placement)] * 6, strict=True)
        )
    ]


def _limit_m(placement: Placement) -> float:
    return max(float(np.linalg.norm(placement.first_from_camera.translation_m)), 1e-3)


def _name(view: Sequence[Sighting | None]) -> str:
    return next(one.name for one in view if one is not None)
