"""The bodies after one camera: boxes around the points they have now, and what is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, Boxes3D, FloatArray
from perception_stack.fusion import belief
from perception_stack.fusion.bodies import Bodies, Index
from perception_stack.geometry.boxes import points_inside

_CRUMB_MARGIN_M, _CRUMB_SHARE = 0.2, 0.5
_WITHIN_SHARE = 0.8


def refitted(
    bodies: Bodies,
    row_of_point: NDArray[np.int32],
    *,
    likelihood: FloatArray,
    new_ground_m: Sequence[float] = (),
    chosen: Sequence[int] = (),
    sized: bool,
) -> tuple[Bodies, NDArray[np.bool_]]:
    """The bodies with the points handed around; new ones come behind the old ones.

    Existence of new bodies is what their points tell, and of old ones whose points a camera chose
    before any had spoken of them: a piece of a hedge is not there because the hedge is. So are the
    classes of new ones, and of all old ones whose points changed before.

    Args:
        bodies: N of them, before.
        row_of_point: int32 [P], body of each point; rows from N on are new.
        likelihood: float64 [M, 5], what cameras have said of the M bodies there are now.
        new_ground_m: Height of the ground below each new body.
        chosen: Rows whose points a camera chose; see :func:`belief.of_chosen` and
            :func:`belief.of_cut`.
        sized: Whether what cameras say decides the hidden sides, too.

    Returns:
        M bodies, and bool [M], which of them gained or lost points.
    """
    num, num_new = len(bodies), len(new_ground_m)
    moved = np.flatnonzero(row_of_point != bodies.row_of_point)
    touched = np.zeros(num + num_new + 1, dtype=np.bool_)  # the last one stands for no body
    touched[row_of_point[moved]] = touched[bodies.row_of_point[moved]] = True
    touched = touched[:-1]
    has_points = np.bincount(row_of_point + 1, minlength=num + num_new + 1)[1:] > 0
    anew = touched.copy()
    sized = sized and bodies.sized
    if sized:
        anew[:num] |= (likelihood[:num] != bodies.likelihood).any(axis=1)
    rows = np.flatnonzero(anew & has_points)
    parts = [np.flatnonzero(row_of_point == row) for row in rows]
    ground_m = np.append(bodies.ground_m, new_ground_m)[rows]

    boxes = _grown(bodies.boxes, num_new, bodies.ranging)
    unheard = np.append((bodies.likelihood == 1).all(axis=1), np.ones(num_new, dtype=np.bool_))
    plain = np.flatnonzero((touched & unheard)[rows])
    told = bodies.boxes_around([parts[i] for i in plain], ground_m[plain])
    is_chosen = np.zeros(num + num_new + 1, dtype=np.bool_)  # the last one stands for no body
    is_chosen[list(chosen)] = True
    picked = is_chosen[rows[plain]]
    cut = picked & _pieces(bodies, is_chosen[row_of_point], [parts[i] for i in plain])
    probs = belief.of_chosen(told.class_probs, told.classes, picked & ~cut)
    probs = belief.of_cut(probs, told.classes, cut)
    boxes.class_probs[rows[plain]] = belief.over(probs, told.classes, boxes.classes)
    own = (rows[plain] >= num) | picked
    boxes.score[rows[plain][own]] = told.score[own]
    fitted = bodies.boxes_around(parts, ground_m, likelihood[rows] if sized else None)
    for name in ("center_m", "quat_xyzw", "size_lwh_m", "covariance"):
        getattr(boxes, name)[rows] = getattr(fitted, name)
    grown = Bodies(
        boxes=boxes,
        xyz_m=bodies.xyz_m,
        row_of_point=row_of_point,
        likelihood=likelihood,
        watched=np.append(bodies.watched, np.ones(num_new, dtype=np.bool_)),
        ranging=bodies.ranging,
    )
    return grown, touched


def _pieces(
    bodies: Bodies, is_chosen: NDArray[np.bool_], parts: Sequence[Index]
) -> NDArray[np.bool_]:
    """Which sets of points were less of a body than what is left of it that no camera chose.

    Args:
        bodies: Before.
        is_chosen: bool [P], points that a camera chose.
        parts: M sets of points.
    """
    num = len(bodies) + 1  # the first one stands for no body
    before = bodies.row_of_point + 1
    left = np.bincount(before[~is_chosen], minlength=num)
    is_piece = np.zeros(len(parts), dtype=np.bool_)
    for i, part in enumerate(parts):
        taken = np.bincount(before[part], minlength=num)
        is_piece[i] = ((taken > 0) & (taken < left))[1:].any()
    return is_piece


def settled(bodies: Bodies, touched: NDArray[np.bool_], spoken: Index) -> Bodies:
    """The bodies without those that are gone, and without crumbs of others.

    What is left of a cluster after a camera took something out of it, and lies for the most part
    within the box of what was taken, is a part of that which its points alone did not show. So is
    what nobody has a name for within the box of something that the camera named: the seats of a
    car, seen through its windows.

    Args:
        bodies: M of them.
        touched: bool [M], gained or lost points.
        spoken: int [K], those that the camera has just seen.
    """
    has_points = np.bincount(bodies.row_of_point + 1, minlength=len(bodies) + 1)[1:] > 0
    gone = touched & ~has_points
    rest = touched & has_points
    rest[spoken] = False
    nameless = np.array(bodies.boxes.labels, dtype=str) == UNKNOWN
    named = spoken[~nameless[spoken]]
    within = has_points & nameless & (bodies.likelihood == 1).all(axis=1) & ~rest
    within &= points_inside(bodies.boxes.center_m, bodies.boxes.rows(named)).any(axis=0)
    within[spoken] = False
    takers = spoken[touched[spoken]]
    parts = _lying_in(bodies, rest, takers, margin_m=_CRUMB_MARGIN_M, least=_CRUMB_SHARE)
    parts |= _lying_in(bodies, within, named, margin_m=0.0, least=_WITHIN_SHARE)
    if not (gone.any() or parts):
        return bodies
    number = np.append(np.arange(len(bodies)), -1)  # the last one stands for no body
    number[list(parts)] = list(parts.values())
    gone[list(parts)] = True
    row_of_point = number[bodies.row_of_point].astype(np.int32)
    return without(replace(bodies, row_of_point=row_of_point), gone)


def _lying_in(
    bodies: Bodies, rows: NDArray[np.bool_], takers: Index, *, margin_m: float, least: float
) -> dict[int, int]:
    """In the box of which taker at least a share of the points of some bodies lies, by row."""
    boxes = bodies.boxes.rows(takers)
    found = {}
    for row in np.flatnonzero(rows).tolist():
        points_m = bodies.xyz_m[bodies.row_of_point == row].astype(np.float64)
        share = points_inside(points_m, boxes, margin_m=margin_m).mean(axis=1)
        if share.max(initial=0.0) >= least:
            found[row] = int(takers[np.argmax(share)])
    return found


def one_of_each(bodies: Bodies, *, sized: bool) -> Bodies:
    """The bodies with those made one that two cameras saw a part of each.

    Two bodies cannot be in one place: where the centre of one is in another one of its class,
    and no camera saw both, they are one.
    """
    seen = np.flatnonzero((bodies.likelihood != 1).any(axis=1))
    boxes = bodies.boxes.rows(seen)
    within = points_inside(boxes.center_m, boxes)
    labels = boxes.labels
    cameras = [set(one) - set(bodies.ranging) for one in boxes.sensors]
    row_of_point = bodies.row_of_point.copy()
    likelihood, score = bodies.likelihood.copy(), bodies.boxes.score.copy()
    sensors = list(bodies.boxes.sensors)
    joined: set[int] = set()
    for i, j in np.argwhere(np.triu(within | within.T, 1)).tolist():
        if labels[i] != labels[j] or cameras[i] & cameras[j] or {i, j} & joined:
            continue
        joined.add(j)
        cameras[i] |= cameras[j]
        row, other = seen[i], seen[j]
        row_of_point[row_of_point == other] = row
        likelihood[row] *= likelihood[other]
        score[row] = max(score[row], score[other])
        sensors[row] = tuple(sorted({*sensors[row], *sensors[other]}))
    if not joined:
        return bodies
    boxes = replace(bodies.boxes, score=score, sensors=tuple(sensors))
    grown, _ = refitted(
        replace(bodies, boxes=boxes), row_of_point, likelihood=likelihood, sized=sized
    )
    gone = np.zeros(len(bodies), dtype=np.bool_)
    gone[seen[list(joined)]] = True
    return without(grown, gone)


def without(bodies: Bodies, gone: NDArray[np.bool_]) -> Bodies:
    """The bodies but for some; points of those belong to none."""
    if not gone.any():
        return bodies
    number = np.append(np.where(gone, -1, np.cumsum(~gone) - 1), -1).astype(np.int32)
    return Bodies(
        boxes=bodies.boxes.rows(~gone),
        xyz_m=bodies.xyz_m,
        row_of_point=number[bodies.row_of_point],
        likelihood=bodies.likelihood[~gone],
        watched=bodies.watched[~gone],
        ranging=bodies.ranging,
    )


def _grown(boxes: Boxes3D, num_new: int, ranging: tuple[str, ...]) -> Boxes3D:
    """A copy with room for more rows."""

    def more(array: FloatArray) -> FloatArray:
        return np.concatenate([array, np.zeros((num_new, *array.shape[1:]))])

    return replace(
        boxes,
        center_m=more(boxes.center_m),
        quat_xyzw=more(boxes.quat_xyzw),
        size_lwh_m=more(boxes.size_lwh_m),
        covariance=more(boxes.covariance),
        score=more(boxes.score),
        class_probs=more(boxes.class_probs),
        sensors=boxes.sensors + (ranging,) * num_new,
    )
