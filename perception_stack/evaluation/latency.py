"""How long each step takes, and how regular the frames come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, Latency

_MS_PER_NS = 1e-6
# an interval this many times the usual one means that a frame is missing
_GAP_FACTOR = 1.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepLatency:
    """Processing time of one step.

    Attributes:
        step: Name of the step.
        stamp_ns: int64 [N], stamps of the frames, in the order they were processed.
        duration_ms: float64 [N].
    """

    step: str
    stamp_ns: NDArray[np.int64]
    duration_ms: FloatArray

    def percentile_ms(self, percent: float) -> float:
        """Duration that this percentage of the frames does not exceed."""
        return float(np.percentile(self.duration_ms, percent))

    def as_dict(self) -> dict[str, Any]:
        """Percentiles for JSON."""
        return {
            "step": self.step,
            "num_calls": len(self.duration_ms),
            "mean_ms": float(self.duration_ms.mean()),
            "p50_ms": self.percentile_ms(50),
            "p95_ms": self.percentile_ms(95),
            "p99_ms": self.percentile_ms(99),
            "max_ms": float(self.duration_ms.max()),
        }


def step_latencies(latencies: Iterable[Latency]) -> tuple[StepLatency, ...]:
    """Durations by step, in the order in which the steps first appear."""
    by_step: dict[str, list[Latency]] = {}
    for one in latencies:
        by_step.setdefault(one.step, []).append(one)
    return tuple(
        StepLatency(
            step=step,
            stamp_ns=np.array([one.stamp_ns for one in frames]),
            duration_ms=np.array([one.duration_ns for one in frames]) * _MS_PER_NS,
        )
        for step, frames in by_step.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameTiming:
    """How regular frames come, by their stamps.

    Attributes:
        num_frames: Distinct stamps.
        rate_hz: One over the median interval.
        jitter_ms: Standard deviation of the intervals that are not gaps.
        longest_ms: Longest interval.
        num_gaps: Intervals of more than 1.5 times the median: frames are missing there.
    """

    num_frames: int
    rate_hz: float
    jitter_ms: float
    longest_ms: float
    num_gaps: int

    def as_dict(self) -> dict[str, Any]:
        """Values for JSON."""
        return asdict(self)


def frame_timing(stamps_ns: Sequence[int]) -> FrameTiming | None:
    """Rate and jitter of stamps; None when there are fewer than two distinct ones."""
    stamps = np.unique(np.array(stamps_ns, dtype=np.int64))
    if len(stamps) < 2:
        return None
    interval_ms = np.diff(stamps) * _MS_PER_NS
    median_ms = float(np.median(interval_ms))
    gap = interval_ms > _GAP_FACTOR * median_ms
    return FrameTiming(
        num_frames=len(stamps),
        rate_hz=1e3 / median_ms,
        jitter_ms=float(interval_ms[~gap].std()),
        longest_ms=float(interval_ms.max()),
        num_gaps=int(gap.sum()),
    )
