"""How good a calibration is, in numbers and in words; the same record for every kind.

A calibration fits a model to some observations (views of a board, poses of a hand, patches of a
scan) and predicts others that it did not see. The grade holds both errors, how well the data fix
each parameter, what was left out and why, and what to record next.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from perception_stack.datatypes import FloatArray, check_shape


class Verdict(str, Enum):
    """What a result may be used for."""

    GOOD = "good"
    USABLE = "usable"
    NOT_ENOUGH = "not enough"


def worst(*verdicts: Verdict) -> Verdict:
    """The verdict of a whole from those of its parts."""
    return max(verdicts, key=list(Verdict).index)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualSummary:
    """Size of errors.

    Attributes:
        unit: Their unit, ``px``, ``m`` or ``rad``.
        num: How many there are; the others are NaN if there are none.
        rms: Root of their mean square.
        median: Median of their absolute values.
        p95: 95th percentile of their absolute values.
    """

    unit: str
    num: int
    rms: float
    median: float
    p95: float

    @classmethod
    def of(cls, errors: FloatArray, *, unit: str) -> ResidualSummary:
        """Of errors of any sign, float [N]."""
        size = np.abs(np.asarray(errors, dtype=np.float64)).ravel()
        if not len(size):
            return cls(unit=unit, num=0, rms=np.nan, median=np.nan, p95=np.nan)
        return cls(
            unit=unit,
            num=len(size),
            rms=float(np.sqrt(np.mean(size**2))),
            median=float(np.median(size)),
            p95=float(np.quantile(size, 0.95)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One number that was found.

    Attributes:
        name: For people, such as ``fx`` or ``yaw of the camera``.
        value: In ``unit``.
        std: Standard deviation in ``unit``; infinite if the data say nothing about it.
        unit: Unit.
        observable: False if the data do not fix it.
    """

    name: str
    value: float
    std: float
    unit: str
    observable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One view, pose or scan that was offered.

    Attributes:
        name: File, stamp or number.
        used: Whether the result rests on it.
        error: Its root mean square error under the result, held out where it was used; NaN if
            it could not be computed.
        reason: Why it was left out; empty if it was used.
    """

    name: str
    used: bool
    error: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a result comes from.

    Attributes:
        method: How it was found.
        data_hash: SHA-256 of what went in, in hexadecimal.
        date: Day and time in UTC, ISO 8601.
        tool_version: Of this package.
    """

    method: str
    data_hash: str
    date: str
    tool_version: str

    @classmethod
    def of(cls, method: str, *arrays: FloatArray, now: datetime) -> Provenance:
        """Of a result that was just found.

        Args:
            method: How.
            *arrays: All that went in, in an order of its own.
            now: The time.
        """
        digest = hashlib.sha256()
        for one in arrays:
            digest.update(f"{one.dtype.str}{one.shape}".encode())
            digest.update(np.ascontiguousarray(one).tobytes())
        return cls(
            method=method,
            data_hash=digest.hexdigest(),
            date=now.astimezone(timezone.utc).isoformat(timespec="seconds"),
            tool_version=_tool_version(),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grade:
    """Everything there is to say about how far a result can be trusted.

    Attributes:
        verdict: In one word.
        why: Sentences that led to the verdict, the weightiest first.
        advice: What to do next, one sentence each: which view to take, which motion to make.
        direction: What a transform takes where, in words; empty if the result is none.
        fitted: Errors of the observations that the result was fitted to.
        held_out: Errors of each observation under a result that was fitted without it.
        parameters: What was found.
        covariance: float64 [P, P], of the parameters in their order and units.
        observations: All that were offered, used or not.
        coverage: Share in [0, 1] of what should have been seen, by name, such as
            ``image area`` or ``tilt``.
        provenance: Where it comes from.
    """

    verdict: Verdict
    why: tuple[str, ...]
    advice: tuple[str, ...]
    direction: str
    fitted: ResidualSummary
    held_out: ResidualSummary
    parameters: tuple[Parameter, ...]
    covariance: FloatArray
    observations: tuple[Observation, ...]
    coverage: dict[str, float]
    provenance: Provenance

    def __post_init__(self) -> None:
        check_shape("covariance", self.covariance, len(self.parameters), len(self.parameters))


@cache
def _tool_version() -> str:
    try:
        return version("perception_stack")
    except PackageNotFoundError:  # copied, not installed
        return "unknown"
