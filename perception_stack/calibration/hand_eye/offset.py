"""By how much two clocks differ, from how fast both bodies turn.

Hand and eye are one body, so both turn by the same angle in the same time, whatever lies between
them. Angles over a while are compared, at every offset, by their correlation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.rotations import log
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.pose_stream import PoseStream

_STEP_S = 0.02
_WINDOW_S = 0.4
_LEAST_OVERLAP = 0.5
_MOST_PEAKS = 5
_AS_LIKELY = 0.5
"""Offsets with less than this share of the best correlation are not looked at."""


def likely_offsets_s(hand: PoseStream, eye: PoseStream, *, farthest_s: float) -> list[float]:
    """Seconds to add to the eye's stamps to get those of the hand, the likeliest first.

    Motion that repeats itself, or many wrong poses, leave several; 0 where nothing turns.

    Angles of the eye far larger than any of the hand are wrong poses and left out.

    Args:
        hand: Any pose of the hand.
        eye: Any pose of the eye.
        farthest_s: Offsets beyond are not tried.
    """
    since = int(min(hand.stamps_ns[0], eye.stamps_ns[0]))
    hand_rad, hand_from = _turning(hand, since)
    eye_rad, eye_from = _turning(eye, since)
    known = np.isfinite(hand_rad)
    if known.sum() < 3 or np.nanmax(hand_rad) < 1e-9:
        return [0.0]
    eye_rad[eye_rad > 1.5 * np.nanmax(hand_rad)] = np.nan
    shift = eye_from - hand_from
    reach = int(np.ceil(farthest_s / _STEP_S))
    lags = np.arange(-reach, reach + 1)
    least = _LEAST_OVERLAP * min(known.sum(), np.isfinite(eye_rad).sum())
    scores = np.array([_alike(hand_rad, eye_rad, int(shift + lag), least) for lag in lags])
    peaks: list[float] = []
    scores[~np.isfinite(scores)] = -np.inf
    least_likely = _AS_LIKELY * scores.max()
    while len(peaks) < _MOST_PEAKS and np.isfinite(scores.max()) and scores.max() >= least_likely:
        lag = int(lags[int(np.argmax(scores))])
        peaks.append(lag * _STEP_S)
        scores[np.abs(lags - lag) * _STEP_S < _WINDOW_S] = -np.inf
    return peaks or [0.0]


def _turning(stream: PoseStream, since_ns: int) -> tuple[FloatArray, int]:
    """Angle turned in the window about each tick of a common grid; and its first tick."""
    span_s = stream.seconds(since_ns=since_ns)[[0, -1]]
    first, last = (round(float(one) / _STEP_S) for one in span_s)
    times_s = _STEP_S * np.arange(first, last + 1, dtype=np.float64)
    before, after = times_s - _WINDOW_S / 2, times_s + _WINDOW_S / 2
    then = stream.at(before, since_ns=since_ns)[0]
    turn = then.swapaxes(1, 2) @ stream.at(after, since_ns=since_ns)[0]
    angle = np.linalg.norm(log(turn), axis=1)
    known = stream.knows(before, since_ns=since_ns) & stream.knows(after, since_ns=since_ns)
    return np.where(known, angle, np.nan), first


def _alike(hand: FloatArray, eye: FloatArray, lag: int, least: float) -> float:
    """Correlation of ``eye`` moved by ``lag`` ticks with ``hand``."""
    start, stop = max(0, lag), min(len(hand), len(eye) + lag)
    if stop - start < 3:
        return float(np.nan)
    one, other = hand[start:stop], eye[start - lag : stop - lag]
    both: NDArray[np.bool_] = np.isfinite(one) & np.isfinite(other)
    if both.sum() < max(least, 3):
        return float(np.nan)
    one, other = one[both] - one[both].mean(), other[both] - other[both].mean()
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size > 0 else float(np.nan)
