"""Poses of one frame in another over time, as robots and detectors give them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_rows, check_shape
from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import matrix_from_quat, quat_from_matrix

_GAP_PERIODS = 8.0
"""Between samples farther apart than this many usual periods a pose is not known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PoseStream:
    """Where ``source`` was in ``target``, sample by sample.

    Attributes:
        target: Frame the poses are in.
        source: Frame whose poses they are.
        stamps_ns: int64 [N], strictly rising.
        rotation: float64 [N, 3, 3].
        translation_m: float64 [N, 3].
        num_repeated: Samples left out because an earlier one had the same stamp.
        num_invalid: Samples left out because they were not finite or no rotation.
    """

    target: str
    source: str
    stamps_ns: NDArray[np.int64]
    rotation: FloatArray
    translation_m: FloatArray
    num_repeated: int = 0
    num_invalid: int = 0

    def __post_init__(self) -> None:
        num = len(self.stamps_ns)
        check_shape("rotation", self.rotation, num, 3, 3)
        check_shape("translation_m", self.translation_m, num, 3)
        if num and not (np.diff(self.stamps_ns) > 0).all():
            raise CalibrationError(f"{self.target} <- {self.source}: stamps do not rise")

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @classmethod
    def of(
        cls,
        *,
        target: str,
        source: str,
        stamps_ns: NDArray[np.int64],
        quat_xyzw: FloatArray,
        translation_m: FloatArray,
    ) -> PoseStream:
        """Samples in any order, with what is unusable left out and counted.

        Of samples with one stamp the first is kept: recorders repeat the last pose when nothing
        new has come.

        Args:
            target: Frame the poses are in.
            source: Frame whose poses they are.
            stamps_ns: int64 [N].
            quat_xyzw: float64 [N, 4], of unit length within 1 %.
            translation_m: float64 [N, 3].
        """
        check_rows("stamps_ns", stamps_ns, len(quat_xyzw))
        check_rows("translation_m", translation_m, len(quat_xyzw))
        valid = np.isfinite(translation_m).all(axis=1)
        valid &= np.abs(np.linalg.norm(quat_xyzw, axis=1) - 1) < 0.01  # False for NaN
        rows = np.flatnonzero(valid)
        stamps, first = np.unique(stamps_ns[rows], return_index=True)
        rows = rows[first]
        return cls(
            target=target,
            source=source,
            stamps_ns=stamps.astype(np.int64),
            rotation=matrix_from_quat(quat_xyzw[rows]),
            translation_m=np.asarray(translation_m[rows], dtype=np.float64),
            num_repeated=int(valid.sum()) - len(rows),
            num_invalid=len(valid) - int(valid.sum()),
        )

    @property
    def inverse(self) -> PoseStream:
        """The poses of ``target`` in ``source``."""
        turned = self.rotation.swapaxes(1, 2)
        return PoseStream(
            target=self.source,
            source=self.target,
            stamps_ns=self.stamps_ns,
            rotation=turned,
            translation_m=-np.einsum("nij,nj->ni", turned, self.translation_m),
            num_repeated=self.num_repeated,
            num_invalid=self.num_invalid,
        )

    def seconds(self, *, since_ns: int = 0) -> FloatArray:
        """The stamps in seconds after another, float64 [N]."""
        return np.asarray((self.stamps_ns - since_ns) * 1e-9, dtype=np.float64)

    def renumbered(self) -> PoseStream:
        """With a second between the samples, for those whose order alone counts."""
        return replace(self, stamps_ns=np.arange(len(self), dtype=np.int64) * 1_000_000_000)

    @cached_property
    def quat_xyzw(self) -> FloatArray:
        """float64 [N, 4], each on the side of the sphere of the one before."""
        quats = quat_from_matrix(self.rotation)
        flips = np.sign(np.einsum("ni,ni->n", quats[1:], quats[:-1]) + 1e-300)
        quats[1:] *= np.cumprod(flips)[:, None]
        return quats

    def at(self, times_s: FloatArray, *, since_ns: int) -> tuple[FloatArray, FloatArray]:
        """Poses at times in between, held at the ends.

        The position is linear and the quaternion the normalised chord between neighbours, which
        differs from slerp by the cube of the angle between them.

        Args:
            times_s: float64 [M], seconds after ``since_ns``.
            since_ns: Their origin.

        Returns:
            Rotation float64 [M, 3, 3] and translation float64 [M, 3].
        """
        own_s = self.seconds(since_ns=since_ns)
        left = np.clip(np.searchsorted(own_s, times_s, side="right") - 1, 0, len(own_s) - 2)
        share = np.clip((times_s - own_s[left]) / (own_s[left + 1] - own_s[left]), 0, 1)[:, None]
        quats = (1 - share) * self.quat_xyzw[left] + share * self.quat_xyzw[left + 1]
        places = (1 - share) * self.translation_m[left] + share * self.translation_m[left + 1]
        return matrix_from_quat(quats), places

    def knows(self, times_s: FloatArray, *, since_ns: int) -> NDArray[np.bool_]:
        """Whether times lie between two samples that are not far apart, bool [M]."""
        own_s = self.seconds(since_ns=since_ns)
        if len(own_s) < 2:
            return np.zeros(len(times_s), dtype=np.bool_)
        gaps_s = np.diff(own_s)
        left = np.searchsorted(own_s, times_s, side="right") - 1
        inside = (times_s >= own_s[0]) & (times_s <= own_s[-1])
        gap_s = gaps_s[np.clip(left, 0, len(gaps_s) - 1)]
        known: NDArray[np.bool_] = inside & (gap_s <= _GAP_PERIODS * np.median(gaps_s))
        return known
