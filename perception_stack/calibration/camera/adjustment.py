"""Fits a rig to its views, leaves out the views that cannot be right, and predicts held-out ones.

A camera alone is a rig of one. A robust fit, on which a bad view pulls little, tells what is
wrong: single points are left out, and whole views whose board, placed anew under the lenses that
the others agree on, fits several times worse than theirs. What remains is fitted by least
squares, which on real boards predicts held-out views as well as the robust fit or better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.camera.bundle import RigProblem, RigState
from perception_stack.calibration.camera.lens import Lens
from perception_stack.calibration.camera.start import plane_poses
from perception_stack.calibration.estimation.normal_equations import Stack
from perception_stack.calibration.estimation.solver import (
    Fit,
    solve,
)
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError

# One view, as each camera saw the board
View = Sequence[Sighting | None]

LEAST_VIEWS = 3
# A view is bad if its error is this many times the median's, or this many (robust) standard
# deviations of the logarithm above it
_LEAST_EXCESS, _DEVIATIONS = 3.0, 3.0
# Points this many times off the median are in the wrong place (of Gaussian errors one in 10^10);
# a view with a larger share of them is bad
WRONG_POINT, _WRONG_SHARE, _NOTHING_RIGHT = 6.0, 0.1, 0.7
_ROUNDS = 4
_ROUGH, _ROUGH_ITERATIONS = 0.1, 30
# No point is found better than this: smaller errors are never wrong
_FINEST_PX = 0.1
_LOST_PX = 1e4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adjustment:
    """A fitted rig and what each view says of it.

    Attributes:
        fit: Of the views that were kept.
        views: Those, without points in the wrong place.
        kept: int [K], which they are.
        num_wrong: int [V], points of each view in the wrong place.
        view_rms_px: float64 [V], root mean square error of every view, kept or not.
        reasons: Why views were left out, by their index.
    """

    fit: Fit[RigState]
    views: tuple[View, ...]
    kept: NDArray[np.intp]
    num_wrong: NDArray[np.intp]
    view_rms_px: FloatArray
    reasons: dict[int, str]


class TooFewViewsError(CalibrationError):
    """Not enough views agree with each other."""

    def __init__(self, num: int, reasons: dict[int, str]) -> None:
        told = "".join(f"; view {v}: {text}" for v, text in reasons.items())
        super().__init__(f"{num} views agree with each other, {LEAST_VIEWS} are needed{told}")


def adjust(
    lenses: Sequence[Lens],
    views: Sequence[View],
    board_points_m: FloatArray,
    start: RigState,
) -> Adjustment:
    """The rig that most views agree on.

    Args:
        lenses: Kind of each camera.
        views: V views; each was seen by one camera at least.
        board_points_m: float64 [N, 3].
        start: Where to begin, with V board poses.

    Raises:
        CalibrationError: fewer than three views are left.
    """
    problem = RigProblem(lenses, views, board_points_m)
    state, errors = _rough(problem, start)
    kept, good, reasons = np.arange(len(views)), tuple(views), {}
    for _ in range(_ROUNDS):
        right = _right(errors, kept)
        reasons = _reasons(errors, right)
        if not reasons and all(one.all() for one in right):
            break
        # boards that began in a wrong place may find theirs under the lenses of the others
        state, errors = _second_chance(
            lenses, views, board_points_m, state, errors=errors, bad=reasons
        )
        right = _right(errors, kept)
        reasons = _reasons(errors, right)
        now = np.array([v for v in range(len(views)) if v not in reasons])
        if len(now) < LEAST_VIEWS:
            raise TooFewViewsError(len(now), reasons)
        was, good = good, tuple(_only(*pair) for pair in zip(views, right, strict=True))
        if np.array_equal(now, kept) and all(_same(was[v], good[v]) for v in kept):
            break
        kept = now
        some = RigProblem(lenses, [good[v] for v in kept], board_points_m)
        fitted = solve(some, _some(state, kept), tolerance=_ROUGH).state
        state = _with_boards(state, fitted, kept)
        errors = _errors(problem.linearise(state))
    right = _right(errors, kept)
    reasons = _reasons(errors, right)
    good = tuple(_only(*pair) for pair in zip(views, right, strict=True))
    kept = np.array([v for v in range(len(views)) if v not in reasons])
    if len(kept) < LEAST_VIEWS:
        raise TooFewViewsError(len(kept), reasons)
    clean = RigProblem(lenses, [good[v] for v in kept], board_points_m)
    fit = solve(clean, _some(state, kept), robust=False)
    for v, one in zip(kept, fit.residuals, strict=True):
        errors[v][right[v]] = np.linalg.norm(one, axis=1)
    return Adjustment(
        fit=fit,
        views=tuple(good[v] for v in kept),
        kept=kept,
        view_rms_px=np.array([_rms(one) for one in errors]),
        num_wrong=np.array([int((~one).sum()) for one in right]),
        reasons=reasons,
    )


def _rough(problem: RigProblem, start: RigState) -> tuple[RigState, list[FloatArray]]:
    """A fit that is near the best, and the errors of all views.

    From a start without distortion a robust fit may give up views that show the most of it, and
    plain least squares may be led astray by bad views: the one that leaves fewer views behind is
    taken. The second is only asked where the first leaves any.
    """
    everyone = np.arange(len(problem.sightings))
    found: list[tuple[int, float, RigState, list[FloatArray]]] = []
    for robust_first in (True, False):
        begin = start
        if not robust_first:
            begin = solve(problem, start, robust=False, max_iterations=_ROUGH_ITERATIONS).state
        fit = solve(problem, begin, tolerance=_ROUGH, max_iterations=_ROUGH_ITERATIONS)
        errors = _errors(fit.stack)
        bad = _reasons(errors, _right(errors, everyone))
        found.append((len(bad), float(np.median(np.concatenate(errors))), fit.state, errors))
        if not bad:
            break
    _, _, state, errors = min(found, key=lambda one: one[:2])
    return state, errors


def place_boards(
    lenses: Sequence[Lens], views: Sequence[View], board_points_m: FloatArray, state: RigState
) -> RigState:
    """The board of each view where one of its cameras sees it, the one that sees most of it."""
    rotations, translations = state.board_rotations.copy(), state.board_translations_m.copy()
    best = [
        int(np.argmax([0 if one is None else len(one.point_idx) for one in view]))
        for view in views
    ]
    for camera, lens in enumerate(lenses):
        mine = [v for v, one in enumerate(best) if one == camera]
        if not mine:
            continue
        sightings = [views[v][camera] for v in mine]
        seen = [one for one in sightings if one is not None]
        rotation, translation = plane_poses(seen, board_points_m, lens, state.lens_params[camera])
        back = state.rotations[camera].T
        rotations[mine] = back @ rotation
        translations[mine] = (translation - state.translations_m[camera]) @ back.T
    return replace(state, board_rotations=rotations, board_translations_m=translations)


def _some(state: RigState, views: NDArray[np.intp]) -> RigState:
    return replace(
        state,
        board_rotations=state.board_rotations[views],
        board_translations_m=state.board_translations_m[views],
    )


def _with_boards(old: RigState, new: RigState, views: NDArray[np.intp]) -> RigState:
    rotations, translations = old.board_rotations.copy(), old.board_translations_m.copy()
    rotations[views], translations[views] = new.board_rotations, new.board_translations_m
    return replace(new, board_rotations=rotations, board_translations_m=translations)


def _second_chance(
    lenses: Sequence[Lens],
    views: Sequence[View],
    board_points_m: FloatArray,
    state: RigState,
    *,
    errors: list[FloatArray],
    bad: Iterable[int],
) -> tuple[RigState, list[FloatArray]]:
    """Bad views with their boards placed anew, where that is better."""
    again = np.array(sorted(bad), dtype=np.intp)
    if not len(again):
        return state, errors
    some = [views[v] for v in again]
    problem = RigProblem(lenses, some, board_points_m, free_lenses=False, free_cameras=False)
    start = place_boards(lenses, some, board_points_m, _some(state, again))
    fit = solve(problem, start, tolerance=_ROUGH)
    placed, found = fit.state, _errors(fit.stack)
    better = [i for i, v in enumerate(again) if np.median(found[i]) < np.median(errors[v])]
    errors = list(errors)
    for i in better:
        errors[again[i]] = found[i]
    return _with_boards(
        state, _some(placed, np.array(better, dtype=np.intp)), again[better]
    ), errors


def _errors(stack: Stack) -> list[FloatArray]:
    """Size of the error of each point of each view."""
    sizes = np.sqrt(np.nan_to_num(stack.square, nan=_LOST_PX**2, posinf=_LOST_PX**2))
    return [one[keep] for one, keep in zip(sizes, stack.there, strict=True)]


def _right(errors: list[FloatArray], kept: NDArray[np.intp]) -> list[NDArray[np.bool_]]:
    """Which points are where they should be, by what is usual in the views that count."""
    usual = float(np.median(np.concatenate([errors[v] for v in kept])))
    return [one <= max(WRONG_POINT * usual, _FINEST_PX) for one in errors]


def _rms(errors_px: FloatArray) -> float:
    return float(np.sqrt(errors_px @ errors_px / len(errors_px)))


def _only(view: View, right: NDArray[np.bool_]) -> View:
    """A view without some points, which are given in the order of its cameras."""
    ends = np.cumsum([0 if one is None else len(one.point_idx) for one in view])
    parts = np.split(right, ends[:-1])
    return [
        None
        if one is None
        else Sighting(name=one.name, point_idx=one.point_idx[keep], uv_px=one.uv_px[keep])
        for one, keep in zip(view, parts, strict=True)
    ]


def _same(one: View, other: View) -> bool:
    sizes = [[0 if s is None else len(s.point_idx) for s in view] for view in (one, other)]
    return sizes[0] == sizes[1]


def _reasons(errors: list[FloatArray], right: list[NDArray[np.bool_]]) -> dict[int, str]:
    """Why views are bad, by their index."""
    size = np.array(
        [
            _rms(one[keep]) if keep.any() else np.inf
            for one, keep in zip(errors, right, strict=True)
        ]
    )
    wrong = np.array([1 - np.count_nonzero(keep) / len(keep) for keep in right])
    fine = wrong <= _WRONG_SHARE
    level = np.log(np.maximum(size[fine], _FINEST_PX / _LEAST_EXCESS))
    middle = float(np.median(level)) if fine.any() else 0.0
    spread = 1.4826 * float(np.median(np.abs(level - middle))) if fine.any() else 0.0
    limit = np.exp(middle + max(np.log(_LEAST_EXCESS), _DEVIATIONS * spread))
    found = {}
    for v, one in enumerate(errors):
        if _WRONG_SHARE < wrong[v] < _NOTHING_RIGHT:
            text = f"{(~right[v]).sum()} of {len(one)} points are in the wrong place"
        elif wrong[v] >= _NOTHING_RIGHT:
            text = "no position of the board explains its points: wrong order, or heavy blur"
        elif size[v] > limit:
            times = size[v] / np.exp(middle)
            text = f"errors {times:.1f} times the usual: motion blur, or a bent board"
        else:
            continue
        found[v] = f"{text} (RMS {_rms(one):.2g} px)"
    return found
