"""Where cameras of a rig sit to each other, from views of one board; boards seen upside down.

A board without identities may be read in several orders (:meth:`Board.symmetries`). Each camera
alone does not mind, two cameras that read one view differently do: of all orders the one is taken
under which the cameras stay where they are from view to view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.rotations import nearest_rotation
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.board import Board

# Two views agree on where a camera is if they differ by no more than this many times what is
# usual (angle, and way over distance), within limits: a board read in another order is off by 1.5
# or more
_TIMES, _LEAST, _MOST = 6.0, 0.1, 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenBoards:
    """Boards as one camera sees them.

    Attributes:
        view: int [K], which views it saw.
        rotations: float64 [K, 3, 3], camera from board.
        translations_m: float64 [K, 3].
    """

    view: NDArray[np.intp]
    rotations: FloatArray
    translations_m: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairAlignment:
    """Where a second camera is from a first.

    Attributes:
        rotation: float64 [3, 3], second from first.
        translation_m: float64 [3].
        view: int [K], views that both saw.
        order: int [K], in which of the board's orders the second read each; 0 is as it was.
        agrees: bool [K], whether a view agrees with the others.
    """

    rotation: FloatArray
    translation_m: FloatArray
    view: NDArray[np.intp]
    order: NDArray[np.intp]
    agrees: NDArray[np.bool_]


def align_pair(first: SeenBoards, second: SeenBoards, board: Board) -> PairAlignment:
    """The pose that most views agree on; both must have seen at least one view."""
    view, mine, theirs = np.intersect1d(first.view, second.view, return_indices=True)
    turns, shifts = _board_motions(board)
    # second from board, as read in each order, times board from first: [K, S]
    rotation = second.rotations[theirs][:, None] @ turns[None]
    shift = (
        np.einsum("kij,sj->ksi", second.rotations[theirs], shifts)
        + second.translations_m[theirs][:, None]
    )
    relative = rotation @ first.rotations[mine].transpose(0, 2, 1)[:, None]
    where = shift - np.einsum("ksij,kj->ksi", relative, first.translations_m[mine])
    depth = np.linalg.norm(second.translations_m[theirs], axis=1)
    flat = relative.reshape(-1, 3, 3), where.reshape(-1, 3)
    # every view in every order is asked, how well the others agree with it in their best order
    apart = np.stack([_apart(*flat, relative[k], where[k], depth[k]) for k in range(len(view))])
    nearest = apart.min(axis=1)
    best = int(np.argmin(np.minimum(nearest, _MOST).sum(axis=0)))
    order = apart[:, :, best].argmin(axis=1)
    agrees = nearest[:, best] < np.clip(_TIMES * np.median(nearest[:, best]), _LEAST, _MOST)
    chosen = np.flatnonzero(agrees)
    return PairAlignment(
        rotation=nearest_rotation(np.sum([relative[k, order[k]] for k in chosen], axis=0)),
        translation_m=np.median([where[k, order[k]] for k in chosen], axis=0),
        view=view,
        order=order,
        agrees=agrees,
    )


def _apart(
    rotations: FloatArray,
    shifts: FloatArray,
    mine: FloatArray,
    my_shifts: FloatArray,
    depth_m: float,
) -> FloatArray:
    """How far the poses of one view in each order [S] are from all [M], float64 [S, M]."""
    trace = np.einsum("sij,mij->sm", mine, rotations)
    angle = np.arccos(np.clip((trace - 1) / 2, -1, 1))
    way = np.linalg.norm(my_shifts[:, None] - shifts[None], axis=2)
    apart: FloatArray = angle + way / max(depth_m, 1e-9)
    return apart


def _board_motions(board: Board) -> tuple[FloatArray, FloatArray]:
    """The turns [S, 3, 3] and shifts [S, 3] that take each point to where another is."""
    points = board.points_m
    centred = points - points.mean(axis=0)
    turns, shifts = [], []
    for order in board.symmetries():
        there = points[order]
        turn = nearest_rotation((there - there.mean(axis=0)).T @ centred)
        turns.append(turn)
        shifts.append(there.mean(axis=0) - turn @ points.mean(axis=0))
    return np.stack(turns), np.stack(shifts)


def spanning_tree(seen: Sequence[NDArray[np.intp]]) -> list[tuple[int, int]]:
    """Pairs of cameras, from known to new, that share the most views; starts at camera 0.

    Args:
        seen: Views that each camera saw.

    Returns:
        Fewer than ``len(seen) - 1`` pairs if some cameras share no view with the others.
    """
    known, pairs = {0}, []
    while len(known) < len(seen):
        shared = [
            (len(np.intersect1d(seen[a], seen[b])), a, b)
            for a in sorted(known)
            for b in range(len(seen))
            if b not in known
        ]
        num, a, b = max(shared, key=lambda one: (one[0], -one[1], -one[2]))
        if num == 0:
            break
        pairs.append((a, b))
        known.add(b)
    return pairs
