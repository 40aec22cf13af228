"""The grade of a camera or a rig: from errors, covariance and coverage to a verdict and advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.calibration.camera.adjustment import Adjustment
from perception_stack.calibration.camera.bundle import RigState
from perception_stack.calibration.camera.lens import Lens
from perception_stack.calibration.camera.uncertainty import (
    covered_cells,
    image_grid,
    loose_directions,
    next_views,
    pixel_std,
    sensitivity,
)
from perception_stack.calibration.grading.grade import (
    Observation,
    Parameter,
    ResidualSummary,
    Verdict,
)
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.board import Board

# Uncertainty that 95 % of the image stays below, in widths of the image: good is 0.5 px of 640
_GOOD_SHARE, _USABLE_SHARE = 0.8e-3, 4e-3
# Of the focal length, which no pixel shows where boards fill little of the image
_GOOD_FOCAL, _USABLE_FOCAL = 0.004, 0.02
# A parameter is not fixed if its error alone may move some pixel by this share of the width
_UNFIXED_SHARE = 0.02
# Median error that a board and a model can leave, in widths of the image
_FITTING_SHARE = 0.005
# Held-out over fitted error; more means that the model bends to the views it is given
_HONEST_RATIO = 2.0
# Of all points lie inside of what counts as seen: the last few fix nothing there
_SEEN_SHARE = 0.97
_GOOD_VIEWS = 6
_TILTED_RAD = np.deg2rad(12)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraJudgement:
    """What to think of the lens of one camera.

    Attributes:
        verdict: In one word.
        why: Sentences, the weightiest first.
        parameters: Of the lens.
        coverage: By name.
        grid_px: float64 [G, 2], pixels all over the image.
        std_px: float64 [G], how well each is known; infinite where the model says nothing, NaN
            where a fisheye looks aside or back.
        change: float64 [G, 2, P], how each moves with the parameters, see :func:`sensitivity`.
    """

    verdict: Verdict
    why: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    coverage: dict[str, float]
    grid_px: FloatArray
    std_px: FloatArray
    change: FloatArray


def judge_camera(
    lens: Lens,
    params: FloatArray,
    covariance: FloatArray,
    sightings: Sequence[Sighting],
    *,
    camera_from_board: FloatArray,
    size_px: tuple[int, int],
) -> CameraJudgement:
    """What the covariance of a lens means where boards were seen, and everywhere.

    Args:
        lens: Kind of camera.
        params: float64 [P].
        covariance: float64 [P, P].
        sightings: What it was found from.
        camera_from_board: float64 [V, 3, 3], how the boards were turned.
        size_px: Width and height of the image.
    """
    grid_px = image_grid(*size_px).reshape(-1, 2)
    seen_px = np.concatenate([one.uv_px for one in sightings])
    radius_px = float(np.quantile(np.linalg.norm(seen_px - params[2:4], axis=1), _SEEN_SHARE))
    inside = np.linalg.norm(grid_px - params[2:4], axis=1) <= radius_px
    change = sensitivity(lens, params, grid_px, inside)
    std_px = pixel_std(change, covariance)
    std_px[~lens.covers(grid_px, params)] = np.inf
    there = inside & np.isfinite(std_px)
    limits = _UNFIXED_SHARE * size_px[0] / np.abs(change[there]).max(axis=(0, 1))
    loose = loose_directions(change[there], covariance, lens.names, _USABLE_SHARE * size_px[0])
    std = np.sqrt(np.diag(covariance))
    seen, everywhere = (_most(one) for one in (std_px[inside], std_px))
    focal = float((std[:2] / np.abs(params[:2])).max())
    verdict, why = _verdict(seen / size_px[0], everywhere / size_px[0], focal, loose)
    known = "is not known" if np.isinf(everywhere) else f"to {everywhere:.2g} px"
    numbers = (
        f"Where boards were seen the image is known to {seen:.2g} px, all of it {known}; "
        f"the focal length to {100 * focal:.2g} %."
    )
    return CameraJudgement(
        verdict=verdict,
        why=(*why, numbers),
        parameters=tuple(
            Parameter(
                name=name,
                value=float(value),
                std=float(one),
                unit="px" if i < 4 else "",
                observable=bool(one < limit),
            )
            for i, (name, value, one, limit) in enumerate(
                zip(lens.names, params, std, limits, strict=True)
            )
        ),
        coverage={
            "image area": float((covered_cells(sightings, *size_px) > 0).mean()),
            "image radius": float(min(2 * radius_px / np.hypot(*size_px), 1.0)),
            "tilt directions": _tilts(camera_from_board),
        },
        grid_px=grid_px,
        std_px=std_px,
        change=change,
    )


def judge_fit(
    adjustment: Adjustment, held_out_px: Sequence[FloatArray], *, width_px: int
) -> tuple[Verdict, list[str], ResidualSummary, ResidualSummary]:
    """Verdict and reasons from the views' agreement; fitted and held-out errors."""
    fitted = ResidualSummary.of(_sizes(adjustment.fit.residuals), unit="px")
    held_out = ResidualSummary.of(_sizes(held_out_px), unit="px")
    if not adjustment.fit.converged:
        return Verdict.NOT_ENOUGH, ["The fit did not come to rest."], fitted, held_out
    if not fitted.median <= _FITTING_SHARE * width_px:
        text = f"Points are {fitted.median:.1f} px off: the views do not show the board named."
        return Verdict.NOT_ENOUGH, [text], fitted, held_out
    doubts = []
    num_views = len(adjustment.kept)
    if num_views < _GOOD_VIEWS:
        doubts.append(f"{num_views} views are few: their errors cannot be told from chance.")
    ratio = held_out.median / max(fitted.median, 1e-12)
    if ratio > _HONEST_RATIO:
        doubts.append(f"Held-out views are predicted {ratio:.1f} times worse than fitted ones.")
    return Verdict.USABLE if doubts else Verdict.GOOD, doubts, fitted, held_out


def advise(
    lens: Lens,
    params: FloatArray,
    covariance: FloatArray,
    board: Board,
    *,
    sigma_px: float,
    size_px: tuple[int, int],
    change: FloatArray,
) -> tuple[str, ...]:
    """The next views to take, a sentence each."""
    found = next_views(
        lens, params, covariance, board, sigma_px=sigma_px, size_px=size_px, change=change
    )
    return tuple(
        f"{one.text} It would take away {100 * one.gain:.0f} % of the variance." for one in found
    )


def observations(
    adjustment: Adjustment, held_out_px: Sequence[FloatArray], names: Sequence[str]
) -> list[Observation]:
    """What became of each view."""
    held = {
        int(v): float(np.sqrt(np.mean((one**2).sum(axis=1))))
        for v, one in zip(adjustment.kept, held_out_px, strict=True)
    }
    return [
        Observation(
            name=name,
            used=v not in adjustment.reasons,
            error=held.get(v, float(adjustment.view_rms_px[v])),
            reason=adjustment.reasons.get(v, ""),
        )
        for v, name in enumerate(names)
    ]


def effective_sigma_px(state_sigma_px: float, inflation: float) -> float:
    """Error of a point, with what makes views disagree."""
    return state_sigma_px * float(np.sqrt(max(inflation, 1.0)))


def boards_of(state: RigState, camera: int) -> FloatArray:
    """float64 [V, 3, 3], boards as a camera sees them."""
    turned: FloatArray = state.rotations[camera] @ state.board_rotations
    return turned


def _verdict(
    seen: float, everywhere: float, focal: float, loose: Sequence[str]
) -> tuple[Verdict, list[str]]:
    if loose:
        return Verdict.NOT_ENOUGH, [f"The views do not fix {one}." for one in loose]
    # written so that NaN fails
    if not (seen <= _USABLE_SHARE and focal <= _USABLE_FOCAL):
        return Verdict.NOT_ENOUGH, ["The views do not fix the camera well enough to be used."]
    if seen > _GOOD_SHARE or focal > _GOOD_FOCAL:
        return Verdict.USABLE, ["More views would make it good."]
    if everywhere > _GOOD_SHARE:
        text = "Near its edges, where no board was seen, the image is not known well."
        return Verdict.USABLE, [text]
    return Verdict.GOOD, ["The views agree and fix every parameter."]


def _most(std_px: FloatArray) -> float:
    """What 95 % stay below; some may be infinite, NaN does not count."""
    known = np.sort(std_px[~np.isnan(std_px)])
    return float(known[int(0.95 * (len(known) - 1))]) if len(known) else np.inf


def _sizes(errors_px: Sequence[FloatArray]) -> FloatArray:
    sizes: FloatArray = np.linalg.norm(np.concatenate(list(errors_px)), axis=1)
    return sizes


def _tilts(camera_from_board: FloatArray) -> float:
    """Share of the four directions that boards were tilted in."""
    normal = camera_from_board[:, :, 2] * np.sign(camera_from_board[:, 2, 2])[:, None]
    tilted = np.arccos(np.clip(normal[:, 2], -1, 1)) > _TILTED_RAD
    sector = np.round(np.arctan2(normal[:, 1], normal[:, 0]) / (np.pi / 2)).astype(int) % 4
    return len(np.unique(sector[tilted])) / 4
