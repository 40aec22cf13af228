"""Views of a rig: one order of reading the board for all cameras, and what cannot be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.calibration.camera.adjustment import LEAST_VIEWS, TooFewViewsError
from perception_stack.calibration.camera.calibrate import CameraCalibration
from perception_stack.calibration.grading.grade import Observation
from perception_stack.calibration.rig.pairs import (
    PairAlignment,
    SeenBoards,
    align_pair,
    spanning_tree,
)
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.errors import CalibrationError
from perception_stack.geometry.board import Board

_LEAST_SHARED = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AlignedViews:
    """Views that cameras agree on.

    Attributes:
        views: For each instant what each camera saw, bad sightings left out, read in one order.
        pairs: By camera, where it is from another that comes before.
        turned: Views that a camera had read in another order, by their name and the camera's.
        refused: Views in which cameras disagree.
    """

    views: list[list[Sighting | None]]
    pairs: dict[int, tuple[int, PairAlignment]]
    turned: tuple[tuple[str, str], ...]
    refused: list[Observation]


def aligned_views(
    views: Sequence[Sequence[Sighting | None]],
    board: Board,
    names: Sequence[str],
    alone: Sequence[CameraCalibration],
) -> AlignedViews:
    """The views that cameras agree on, in the light of what each found alone.

    Args:
        views: For each instant what each camera saw.
        board: What was seen.
        names: Of the cameras.
        alone: Each camera's calibration.

    Raises:
        CalibrationError: cameras share too few views, or agree in too few.
    """
    kept: list[list[Sighting | None]] = []
    poses: list[SeenBoards] = []
    for camera, one in enumerate(alone):
        state, used = one.adjustment.fit.state, one.adjustment.kept
        clean = {
            one.sightings[v].name: view[0]
            for v, view in zip(used, one.adjustment.views, strict=True)
        }
        row = {v: i for i, v in enumerate(used)}
        number = {one.sightings[v].name: row[v] for v in used}
        mine = [
            (v, number[s.name])
            for v, view in enumerate(views)
            if (s := view[camera]) is not None and s.name in number
        ]
        index = np.array([i for _, i in mine], dtype=np.intp)
        poses.append(
            SeenBoards(
                view=np.array([v for v, _ in mine], dtype=np.intp),
                rotations=state.board_rotations[index],
                translations_m=state.board_translations_m[index],
            )
        )
        for v, view in enumerate(views):
            if camera == 0:
                kept.append([None] * len(names))
            s = view[camera]
            kept[v][camera] = None if s is None else clean.get(s.name)
    return _in_one_order(kept, poses, board, names)


def _in_one_order(
    kept: list[list[Sighting | None]],
    poses: list[SeenBoards],
    board: Board,
    names: Sequence[str],
) -> AlignedViews:
    symmetries = board.symmetries()
    aligned: dict[int, tuple[int, PairAlignment]] = {}
    turned: list[tuple[str, str]] = []
    refused: dict[int, str] = {}
    for first, second in spanning_tree([one.view for one in poses]):
        pair = align_pair(poses[first], poses[second], board)
        if pair.agrees.sum() < _LEAST_SHARED:
            raise CalibrationError(
                f"cameras '{names[first]}' and '{names[second]}' agree on where "
                f"they are in {pair.agrees.sum()} views, {_LEAST_SHARED} are needed; are the "
                "images of the same instants?"
            )
        aligned[second] = first, pair
        for view, order, agrees in zip(pair.view, pair.order, pair.agrees, strict=True):
            sighting = kept[view][second]
            if sighting is None:
                continue
            if not agrees:
                refused[int(view)] = (
                    f"cameras '{names[first]}' and '{names[second]}' disagree "
                    "about where the board is: not of one instant, or a board read wrongly"
                )
            elif order:
                turned.append((sighting.name, names[second]))
                kept[view][second] = Sighting(
                    name=sighting.name,
                    point_idx=np.argsort(symmetries[order])[sighting.point_idx],
                    uv_px=sighting.uv_px,
                )
    missing = [one for c, one in enumerate(names) if c and c not in aligned]
    if missing:
        raise CalibrationError(f"{', '.join(missing)} share no view of the board with the others")
    told = [
        Observation(name=view_name(kept[v]), used=False, error=np.nan, reason=text)
        for v, text in refused.items()
    ]
    rest = [
        view
        for v, view in enumerate(kept)
        if v not in refused and any(one is not None for one in view)
    ]
    if len(rest) < LEAST_VIEWS:
        raise TooFewViewsError(len(rest), refused)
    return AlignedViews(views=rest, pairs=aligned, turned=tuple(turned), refused=told)


def view_name(view: Sequence[Sighting | None]) -> str:
    """The name of its first sighting."""
    return next(one.name for one in view if one is not None)
