"""A first answer from boards of which up to half may be wrong, and how each board is turned.

Every board alone gives as many answers as it has symmetries; three centres give one without any.
The answer under which the median board fits best is taken (least median of squares).
"""

from __future__ import annotations

import numpy as np

from perception_stack.calibration.estimation.rotations import log, nearest_rotation
from perception_stack.calibration.lidar_camera.boards import BoardPoses
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform

_NUM_TRIPLES = 300
_MOST_ALONE = 30
_AS_GOOD = 1.5
_SLACK_M = 0.005


def first_answer(
    in_camera: BoardPoses,
    in_lidar: BoardPoses,
    turns: FloatArray,
    size_m: tuple[float, float],
    *,
    lidar: str,
    camera: str,
    initial: RigidTransform | None,
) -> tuple[RigidTransform, BoardPoses]:
    """``lidar_from_camera`` and the LiDAR's boards turned as the camera's are.

    Raises:
        CalibrationError: two answers fit alike and no initial one tells which is meant.
    """
    rotations, shifts = _candidates(in_camera, in_lidar, turns)
    there = in_lidar.corners_m(size_m)
    seen = np.stack([_turned(in_camera, turn).corners_m(size_m) for turn in turns])  # [S, N, 5, 3]
    moved = np.einsum("cij,snkj->csnki", rotations, seen) + shifts[:, None, None, None]
    miss = np.sqrt(np.mean(np.sum((there - moved) ** 2, axis=-1), axis=-1))  # [C, S, N]
    median = np.median(miss.min(axis=1), axis=1)
    good = np.flatnonzero(median <= _AS_GOOD * median.min() + _SLACK_M)
    if initial is not None:
        away = np.linalg.norm(log(rotations[good] @ initial.rotation.T), axis=1)
        best = good[int(np.argmin(away))]
    else:
        best = int(np.argmin(median))
        apart = np.linalg.norm(log(rotations[good] @ rotations[best].T), axis=1)
        if apart.max() > np.pi / 4:
            raise CalibrationError(
                "the boards fit with the camera upright and upside down alike; record boards at "
                "three places, or give a rough initial transform"
            )
    start = RigidTransform(
        target=lidar, source=camera, rotation=rotations[best], translation_m=shifts[best]
    )
    turn = turns[np.argmin(miss[best], axis=0)]
    # the LiDAR's board turned back by what the camera's would have to be turned
    return start, BoardPoses(
        rotation=in_lidar.rotation @ turn.swapaxes(1, 2),
        center_m=in_lidar.center_m,
        misfit_m=in_lidar.misfit_m,
    )


def _turned(boards: BoardPoses, turn: FloatArray) -> BoardPoses:
    return BoardPoses(
        rotation=boards.rotation @ turn, center_m=boards.center_m, misfit_m=boards.misfit_m
    )


def _candidates(
    in_camera: BoardPoses, in_lidar: BoardPoses, turns: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Rotations [C, 3, 3] and translations [C, 3]."""
    num = len(in_camera)
    alone = np.unique(np.linspace(0, num - 1, min(num, _MOST_ALONE)).astype(np.intp))
    rotation = np.einsum(
        "nij,sjk,nlk->nsil", in_lidar.rotation[alone], turns, in_camera.rotation[alone]
    )
    shift = in_lidar.center_m[alone][:, None] - np.einsum(
        "nsij,nj->nsi", rotation, in_camera.center_m[alone]
    )
    rotations, shifts = [rotation.reshape(-1, 3, 3)], [shift.reshape(-1, 3)]
    if num >= 3:
        rng = np.random.default_rng(0)
        triples = np.stack([rng.permutation(num)[:3] for _ in range(_NUM_TRIPLES)])
        one, other = in_camera.center_m[triples], in_lidar.center_m[triples]
        middle, there = one.mean(axis=1), other.mean(axis=1)
        products = np.einsum("tki,tkj->tij", other - there[:, None], one - middle[:, None])
        turned = nearest_rotation(products)
        rotations.append(turned)
        shifts.append(there - np.einsum("tij,tj->ti", turned, middle))
    return np.concatenate(rotations), np.concatenate(shifts)
