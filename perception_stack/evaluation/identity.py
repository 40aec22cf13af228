"""IDF1: how long every object keeps one identity, over the whole sequence.

Ristani et al., "Performance measures and a data set for multi-target, multi-camera tracking",
ECCV workshops 2016.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_stack.evaluation.sequences import IdSequence


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityScores:
    """Counts under the one assignment of identities that has fewest errors.

    Attributes:
        idtp: Truth boxes matched by the object that its identity is assigned to.
        idfp: Objects that are not.
        idfn: Truth boxes that are not.
    """

    idtp: int
    idfp: int
    idfn: int

    @property
    def idf1(self) -> float:
        """Harmonic mean of identity precision and recall."""
        return self.idtp / max(self.idtp + 0.5 * self.idfp + 0.5 * self.idfn, 1.0)

    @property
    def idp(self) -> float:
        """Identity precision."""
        return self.idtp / max(self.idtp + self.idfp, 1)

    @property
    def idr(self) -> float:
        """Identity recall."""
        return self.idtp / max(self.idtp + self.idfn, 1)

    def as_dict(self) -> dict[str, float]:
        """Counts and ratios, for JSON."""
        return {"idf1": self.idf1, "idp": self.idp, "idr": self.idr, **asdict(self)}


def identity_scores(sequence: IdSequence, *, threshold: float = 0.5) -> IdentityScores:
    """IDF1 of a sequence.

    Fewest errors means most matches: each frame in which an assigned pair agrees saves one false
    object and one miss, so assigning for the largest number of agreeing frames is the same as
    the paper's minimum-cost problem.

    Args:
        sequence: Frames in any order.
        threshold: Least similarity at which truth and object agree.
    """
    agreeing = np.zeros((sequence.num_truth_ids, sequence.num_object_ids), dtype=np.int64)
    for frame in sequence.frames:
        rows, cols = np.nonzero(frame.similarity >= threshold)
        agreeing[frame.truth_ids[rows], frame.object_ids[cols]] += 1
    idtp = int(agreeing[linear_sum_assignment(agreeing, maximize=True)].sum())
    return IdentityScores(
        idtp=idtp, idfp=sequence.num_objects - idtp, idfn=sequence.num_truth - idtp
    )
