"""How late one sensor's stamps are against another's, from how both turn.

Two sensors on one body turn alike. What each turned from stamp to stamp is compared with what the
other turned over the same span moved by an offset; where the rate of turn changes, only the right
offset fits. Spans, not rates, are compared, so that different frame rates and exposure do not
matter. The mount between the sensors comes out beside it and need not be known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.rotations import nearest_rotation
from perception_stack.calibration.estimation.solver import (
    NumericProblem,
    solve,
)
from perception_stack.calibration.grading.grade import (
    Grade,
    Observation,
    Parameter,
    Provenance,
    ResidualSummary,
    Verdict,
)
from perception_stack.datatypes import FloatArray, check_shape
from perception_stack.errors import CalibrationError

_FEWEST = 20
_GRID_S = 0.005
_BLOCK_S = 1.0
_STEP_S = 1e-3
_GOOD_S, _USABLE_S = 0.003, 0.010
_DISTINCT = 1.2  # how much worse an offset that is half a search range away must fit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turns:
    """Orientation of a sensor over time.

    Attributes:
        name: Of the sensor.
        stamps_ns: int64 [N], rising.
        rotation: float64 [N, 3, 3], from the sensor to any frame that stands still.
    """

    name: str
    stamps_ns: NDArray[np.int64]
    rotation: FloatArray

    def __post_init__(self) -> None:
        check_shape("rotation", self.rotation, len(self.stamps_ns), 3, 3)
        if (np.diff(self.stamps_ns) <= 0).any():
            raise CalibrationError(f"stamps of {self.name} do not rise")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimeOffset:
    """What was found.

    Attributes:
        offset_s: To be added to stamps of the first sensor to get the clock of the second.
        std_s: Its standard deviation; infinite if the motion says nothing.
        grade: How far it can be trusted.
    """

    offset_s: float
    std_s: float
    grade: Grade


def find_time_offset(
    first: Turns, second: Turns, *, farthest_s: float, now: datetime
) -> TimeOffset:
    """The offset between the clocks of two sensors on one body.

    Args:
        first: Its spans between stamps are compared; gaps longer than a second are left out.
        second: Is interpolated, by a spline of rotations with continuous acceleration.
        farthest_s: Largest offset that is tried.
        now: For the record.

    Raises:
        CalibrationError: too few spans overlap.
    """
    spans = _Spans(first, second, farthest_s)
    grid_s = np.arange(-farthest_s, farthest_s + _GRID_S / 2, _GRID_S)
    cost = np.array([np.median(np.linalg.norm(spans.misfit(one), axis=1)) for one in grid_s])
    best = int(np.argmin(cost))
    far = np.abs(grid_s - grid_s[best]) > farthest_s / 2
    distinct = float(cost[far].min() / max(cost[best], 1e-12)) if far.any() else np.inf
    fitted = spans.misfit(grid_s[best])
    offset_s, std_s = float(grid_s[best]), np.inf
    problem = NumericProblem(
        residuals=lambda at: spans.blocks(float(at[0])), steps=np.array([_STEP_S])
    )
    try:
        fit = solve(problem, np.array([offset_s]))
        if abs(fit.state[0]) <= farthest_s + _GRID_S:
            offset_s, std_s = float(fit.state[0]), float(np.sqrt(fit.covariance[0, 0]))
            fitted = spans.misfit(offset_s)
    except CalibrationError:
        pass  # nothing turned: the offset stays unknown, and the grade says so
    verdict, why, advice = _judged(std_s, distinct, farthest_s, spans.most_turned)
    return TimeOffset(
        offset_s=offset_s,
        std_s=std_s,
        grade=Grade(
            verdict=verdict,
            why=why,
            advice=advice,
            direction=f"Add it to stamps of {first.name} to get the clock of {second.name}.",
            fitted=ResidualSummary.of(np.linalg.norm(fitted, axis=1), unit="rad"),
            held_out=ResidualSummary.of(np.linalg.norm(fitted, axis=1), unit="rad"),
            parameters=(
                Parameter(
                    name="time offset",
                    value=offset_s,
                    std=std_s,
                    unit="s",
                    observable=verdict is not Verdict.NOT_ENOUGH,
                ),
            ),
            covariance=np.array([[std_s**2]]),
            observations=tuple(
                Observation(name=turns.name, used=True, error=float("nan"))
                for turns in (first, second)
            ),
            coverage={},
            provenance=Provenance.of(
                "rotation over matching spans", first.rotation, second.rotation, now=now
            ),
        ),
    )


class _Spans:
    """What the first sensor turned from stamp to stamp, and the second over any like span."""

    def __init__(self, first: Turns, second: Turns, farthest_s: float) -> None:
        from scipy.spatial.transform import Rotation, RotationSpline

        if min(len(first.stamps_ns), len(second.stamps_ns)) < _FEWEST:
            raise CalibrationError(f"fewer than {_FEWEST} stamps of {first.name} or {second.name}")
        origin_ns = int(second.stamps_ns[0])
        time_s = (first.stamps_ns - origin_ns) * 1e-9
        other_s = (second.stamps_ns - origin_ns) * 1e-9
        begin, end = time_s[:-1], time_s[1:]
        inside = (
            (begin - farthest_s - _GRID_S >= other_s[0])
            & (end + farthest_s + _GRID_S <= other_s[-1])
            & (end - begin < 1.0)
        )
        if inside.sum() < _FEWEST:
            raise CalibrationError(
                f"{inside.sum()} spans of {first.name} lie within the time of {second.name} by "
                f"{farthest_s} s on both sides; {_FEWEST} are needed"
            )
        self._begin, self._end = begin[inside], end[inside]
        turned = first.rotation[:-1].swapaxes(1, 2) @ first.rotation[1:]
        self._turned = Rotation.from_matrix(turned[inside]).as_rotvec()
        self._spline = RotationSpline(other_s, Rotation.from_matrix(second.rotation))

    @property
    def most_turned(self) -> float:
        """Largest rate of turn, rad/s."""
        rate = np.linalg.norm(self._turned, axis=1) / (self._end - self._begin)
        return float(np.quantile(rate, 0.95))

    def misfit(self, offset_s: float) -> FloatArray:
        """What the spans differ by at an offset, under the mount that fits best then, [N, 3]."""
        before, after = self._spline(self._begin + offset_s), self._spline(self._end + offset_s)
        other = (before.inv() * after).as_rotvec()
        return np.asarray(self._turned - other @ nearest_rotation(self._turned.T @ other).T)

    def blocks(self, offset_s: float) -> list[FloatArray]:
        """The misfit in pieces of a second."""
        piece = ((self._begin - self._begin[0]) // _BLOCK_S).astype(int)
        misfit = self.misfit(offset_s)
        return [misfit[piece == one] for one in np.unique(piece)]


def _judged(
    std_s: float, distinct: float, farthest_s: float, most_turned: float
) -> tuple[Verdict, tuple[str, ...], tuple[str, ...]]:
    why = (
        f"The offset is known to {1e3 * std_s:.1f} ms.",
        f"Offsets {1e3 * farthest_s / 2:.0f} ms away fit {distinct:.1f} times as badly.",
        f"The body turns by up to {np.rad2deg(most_turned):.1f} degrees a second.",
    )
    if distinct >= _DISTINCT and std_s <= _GOOD_S:
        return Verdict.GOOD, why, ()
    advice = (
        "Turn more, and change how fast: swing left and right every few seconds; a steady turn or "
        "straight motion says nothing about time.",
    )
    if distinct >= _DISTINCT and std_s <= _USABLE_S:
        return Verdict.USABLE, why, advice
    return Verdict.NOT_ENOUGH, why, advice
