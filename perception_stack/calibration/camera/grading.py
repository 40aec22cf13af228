"""The grade of a camera: from errors, covariance and coverage to a verdict and the next view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception_stack.calibration.camera.adjustment import Adjustment
from perception_stack.calibration.camera.lens import Lens
from perception_stack.calibration.camera.uncertainty import (
    covered_cells,
    image_grid,
    next_views,
    pixel_std,
    sensitivity,
)
from perception_stack.calibration.grade import (
    Grade,
    Observation,
    Parameter,
    Provenance,
    ResidualSummary,
    Verdict,
)
from perception_stack.calibration.solver import weak_directions
from perception_stack.calibration.targets.board import Board
from perception_stack.datatypes import FloatArray

# Uncertainty that 95 % of the image stays below, in widths of the image: half a pixel of 640 is good
_GOOD_SHARE, _USABLE_SHARE = 0.8e-3, 4e-3
# Of the focal length, which no pixel shows where boards fill little of the image
_GOOD_FOCAL, _USABLE_FOCAL = 0.004, 0.02
# A parameter is not fixed if its error may move some pixel by this share of the width
_UNFIXED_SHARE = 0.02
# Held-out over fitted error; more means that the model bends to the views it is given
_HONEST_RATIO = 2.0
_GOOD_VIEWS = 6
_TILTED_RAD = np.deg2rad(12)


def grade_camera(
    lens: Lens,
    adjustment: Adjustment,
    held_out_px: Sequence[FloatArray],
    board: Board,
    *,
    width_px: int,
    height_px: int,
    names: Sequence[str],
    others: Sequence[Observation],
    provenance: Provenance,
) -> Grade:
    """The grade of one camera.

    Args:
        lens: Kind of camera.
        adjustment: Its fit.
        held_out_px: float64 [N, 2] of each kept view.
        board: What was seen.
        width_px: Of the image.
        height_px: Of the image.
        names: Of all views.
        others: What was left out before.
        provenance: Where the data are from.
    """
    fit = adjustment.fit
    params = fit.state.lens_params[0]
    grid_px = image_grid(width_px, height_px).reshape(-1, 2)
    change = sensitivity(lens, params, grid_px)
    std_px = np.nan_to_num(pixel_std(change, fit.covariance), nan=np.inf)
    sightings = [one for view in adjustment.views for one in view if one is not None]
    seen_px = np.concatenate([one.uv_px for one in sightings])
    radius_px = np.linalg.norm(seen_px - params[2:4], axis=1).max()
    inside = np.linalg.norm(grid_px - params[2:4], axis=1) <= radius_px
    limits = _UNFIXED_SHARE * width_px / np.nanmax(np.abs(change[inside]), axis=(0, 1))
    weak = weak_directions(fit.information / fit.inflation, lens.names, limits)
    fitted = ResidualSummary.of(_sizes(fit.residuals), unit="px")
    held_out = ResidualSummary.of(_sizes(held_out_px), unit="px")
    coverage = {
        "image area": float((covered_cells(sightings, width_px, height_px) > 0).mean()),
        "image radius": float(min(radius_px / np.hypot(width_px, height_px) * 2, 1.0)),
        "tilt directions": _tilts(fit.state.board_rotations),
    }
    seen_std_px, all_std_px = (
        float(np.quantile(one, 0.95, method="lower")) for one in (std_px[inside], std_px)
    )
    focal_share = float((fit.std[:2] / np.abs(params[:2])).max())
    verdict, why = _verdict(
        seen_std_px / width_px,
        all_std_px / width_px,
        focal_share,
        [one.text for one in weak],
        converged=fit.converged,
        num_views=len(adjustment.kept),
        ratio=held_out.median / max(fitted.median, 1e-12),
    )
    numbers = (
        f"Where boards were seen the image is known to {seen_std_px:.2g} px, all of it to "
        f"{all_std_px:.2g} px, the focal length to {100 * focal_share:.2g} %."
    )
    advice = []
    if verdict is not Verdict.GOOD:
        found = next_views(
            lens,
            fit.state,
            fit.covariance,
            board,
            sigma_px=fit.sigma * float(np.sqrt(max(fit.inflation, 1.0))),
            width_px=width_px,
            height_px=height_px,
        )
        advice = [
            f"{one.text} It would take away {100 * one.gain:.0f} % of the variance."
            for one in found
        ]
    return Grade(
        verdict=verdict,
        why=(*why, numbers),
        advice=tuple(advice),
        direction="",
        fitted=fitted,
        held_out=held_out,
        parameters=tuple(
            Parameter(
                name=name,
                value=float(value),
                std=float(std),
                unit="px" if i < 4 else "",
                observable=bool(std < limit),
            )
            for i, (name, value, std, limit) in enumerate(
                zip(lens.names, params, fit.std, limits, strict=True)
            )
        ),
        covariance=fit.covariance,
        observations=(*_observations(adjustment, held_out_px, names), *others),
        coverage=coverage,
        provenance=provenance,
    )


def _verdict(
    seen: float,
    everywhere: float,
    focal: float,
    weak: Sequence[str],
    *,
    converged: bool,
    num_views: int,
    ratio: float,
) -> tuple[Verdict, list[str]]:
    if not converged:
        return Verdict.NOT_ENOUGH, ["The fit did not come to rest."]
    if weak:
        return Verdict.NOT_ENOUGH, [f"The views do not fix {one}." for one in weak]
    # written so that NaN fails
    if not (seen <= _USABLE_SHARE and focal <= _USABLE_FOCAL):
        return Verdict.NOT_ENOUGH, ["The views do not fix the camera well enough to be used."]
    doubts = []
    if seen > _GOOD_SHARE or focal > _GOOD_FOCAL:
        doubts.append("More views would make it good.")
    elif everywhere > _GOOD_SHARE:
        doubts.append("Near its edges, where no board was seen, the image is not known well.")
    if num_views < _GOOD_VIEWS:
        doubts.append(f"{num_views} views are few: their errors cannot be told from chance.")
    if ratio > _HONEST_RATIO:
        doubts.append(f"Held-out views are predicted {ratio:.1f} times worse than fitted ones.")
    if doubts:
        return Verdict.USABLE, doubts
    return Verdict.GOOD, ["The views agree and fix every parameter."]


def _observations(
    adjustment: Adjustment, held_out_px: Sequence[FloatArray], names: Sequence[str]
) -> list[Observation]:
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


def _sizes(errors_px: Sequence[FloatArray]) -> FloatArray:
    sizes: FloatArray = np.linalg.norm(np.concatenate(list(errors_px)), axis=1)
    return sizes


def _tilts(board_rotations: FloatArray) -> float:
    """Share of the four directions that boards were tilted in."""
    normal = board_rotations[:, :, 2] * np.sign(board_rotations[:, 2, 2])[:, None]
    tilted = np.arccos(np.clip(normal[:, 2], -1, 1)) > _TILTED_RAD
    sector = np.round(np.arctan2(normal[:, 1], normal[:, 0]) / (np.pi / 2)).astype(int) % 4
    return len(np.unique(sector[tilted])) / 4
