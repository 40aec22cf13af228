"""What tracking metrics are counted from: who was there, who was reported, how well they agree.

The metrics know nothing of boxes. Similarity is a number in [0, 1]; 3-D IoU, 2-D IoU or a
falling function of distance all do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_shape
from perception_stack.errors import DecodeError

IdArray = NDArray[np.int64]

# the reference implementations compare with this slack, so equal numbers count as reached
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdFrame:
    """One frame of a sequence.

    Attributes:
        truth_ids: int64 [T], identities that are there, each once.
        object_ids: int64 [O], identities that were reported, each once.
        similarity: float64 [T, O], in [0, 1].

    Raises:
        ShapeError: the lengths differ.
        DecodeError: an identity occurs twice, or a similarity is outside of [0, 1].
    """

    truth_ids: IdArray
    object_ids: IdArray
    similarity: FloatArray

    def __post_init__(self) -> None:
        check_shape("truth_ids", self.truth_ids, None)
        check_shape("object_ids", self.object_ids, None)
        check_shape("similarity", self.similarity, len(self.truth_ids), len(self.object_ids))
        for name, ids in (("truth", self.truth_ids), ("object", self.object_ids)):
            values, counts = np.unique(ids, return_counts=True)
            if (counts > 1).any():
                raise DecodeError(f"{name} id {values[counts > 1][0]} occurs twice in one frame")
        # written so that NaN fails
        if not ((self.similarity >= 0) & (self.similarity <= 1)).all():
            worst = self.similarity[~((self.similarity >= 0) & (self.similarity <= 1))][0]
            raise DecodeError(f"similarity {worst} is outside of [0, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdSequence:
    """Frames whose identities are renumbered from zero, so that they can index arrays.

    Attributes:
        frames: In order of time.
        num_truth_ids: Identities that are there in any frame.
        num_object_ids: Identities that were reported in any frame.
    """

    frames: tuple[IdFrame, ...]
    num_truth_ids: int
    num_object_ids: int

    @classmethod
    def of(cls, *sequences: Sequence[IdFrame]) -> IdSequence:
        """One or more sequences as one, no identity being shared between two of them.

        Scores of the result are those of all sequences together, as the benchmarks combine them.
        """
        frames: list[IdFrame] = []
        num_truth_ids = num_object_ids = 0
        for sequence in sequences:
            truth = _distinct([frame.truth_ids for frame in sequence])
            objects = _distinct([frame.object_ids for frame in sequence])
            frames += [
                IdFrame(
                    truth_ids=num_truth_ids + np.searchsorted(truth, frame.truth_ids),
                    object_ids=num_object_ids + np.searchsorted(objects, frame.object_ids),
                    similarity=frame.similarity,
                )
                for frame in sequence
            ]
            num_truth_ids += len(truth)
            num_object_ids += len(objects)
        return cls(
            frames=tuple(frames), num_truth_ids=num_truth_ids, num_object_ids=num_object_ids
        )

    @property
    def num_truth(self) -> int:
        """Boxes that are there, over all frames."""
        return sum(len(frame.truth_ids) for frame in self.frames)

    @property
    def num_objects(self) -> int:
        """Boxes that were reported, over all frames."""
        return sum(len(frame.object_ids) for frame in self.frames)

    def lengths(self) -> tuple[IdArray, IdArray]:
        """Number of frames of each identity: int64 [num_truth_ids], int64 [num_object_ids]."""
        truth = _joined([frame.truth_ids for frame in self.frames])
        objects = _joined([frame.object_ids for frame in self.frames])
        return (
            np.bincount(truth, minlength=self.num_truth_ids),
            np.bincount(objects, minlength=self.num_object_ids),
        )


def _joined(arrays: Sequence[IdArray]) -> IdArray:
    return np.concatenate([np.empty(0, dtype=np.int64), *arrays])


def _distinct(arrays: Sequence[IdArray]) -> IdArray:
    return np.unique(_joined(arrays))
