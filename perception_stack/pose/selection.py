"""Which of many found objects can be there together: two cannot be seen at the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.pose.search import LEAST_ODDS, Candidates, Search

_CELL_PX = 4
_MOST_SHARED = 0.4
_EXPLAINED = 4.0  # log odds for each e-fold of cells


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Claim:
    """One of the candidates of a search, which may be there.

    Attributes:
        search: That found it.
        candidates: What it found.
        row: Which of them.
    """

    search: Search
    candidates: Candidates
    row: int

    @property
    def score(self) -> float:
        """Probability of being right."""
        return float(self.candidates.score[self.row])

    @property
    def log_odds(self) -> float:
        """By which poses are chosen."""
        return float(self.candidates.log_odds[self.row])

    @property
    def pose(self) -> FloatArray:
        """Scene from model, float64 [4, 4]."""
        return np.asarray(self.candidates.poses[self.row])


def claims_of(search: Search) -> list[Claim]:
    """What a search of a whole frame finds and is not all but surely wrong.

    What is too unsure to be reported may still explain what another one claims.
    """
    candidates = search.run()
    rows = np.flatnonzero(candidates.log_odds >= LEAST_ODDS)
    return [Claim(search=search, candidates=candidates, row=int(row)) for row in rows]


def compatible(claims: Sequence[Claim]) -> list[Claim]:
    """The best claims of one frame, none of which is seen at what a better one is seen at.

    Better is what the evidence speaks for more and what explains more of the frame: odds are of
    each claim alone, and what a smaller one leaves over would need yet another object.
    """
    cells = [frozenset(_cells_of(one).tolist()) for one in claims]
    ranks = [
        one.log_odds + _EXPLAINED * np.log(max(len(its), 1))
        for one, its in zip(claims, cells, strict=True)
    ]
    kept = []
    claimed: set[int] = set()
    for row in np.argsort(-np.array(ranks), kind="stable"):
        if cells[row] and len(cells[row] & claimed) <= _MOST_SHARED * len(cells[row]):
            kept.append(claims[row])
            claimed |= cells[row]
    return kept


def _cells_of(one: Claim) -> NDArray[np.intp]:
    """Cells of the image in which an object is seen."""
    pose, scene, surface = one.pose, one.search.scene, one.search.model.fine
    points_m = surface.points_m @ pose[:3, :3].T + pose[:3, 3]
    facing = np.einsum("ni,ni->n", surface.normals @ pose[:3, :3].T, points_m) < 0
    rows, cols, inside = scene.pixels_of(points_m[facing])
    gap_m = scene.depth_m[rows, cols] - points_m[facing][inside, 2]
    seen = np.abs(gap_m) < one.search.tolerance.at(pose[2, 3])
    height, width = scene.depth_m.shape
    taken = np.zeros((height // _CELL_PX + 1, width // _CELL_PX + 1), dtype=np.bool_)
    taken[rows[seen] // _CELL_PX, cols[seen] // _CELL_PX] = True
    return np.flatnonzero(taken)
