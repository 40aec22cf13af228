"""What the slant does to circles: the middle of a circle's image is not the image of its middle.

The image of a disc is found by its boundary; the difference of both middles is taken off what was
measured. It needs a calibration, and is a few tenths of a pixel at most, so one round is enough.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception_stack.calibration.camera.adjustment import Adjustment
from perception_stack.calibration.camera.lens import Lens
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.board import Board, BoardKind

_CORNERS = 48


def has_discs(board: Board) -> bool:
    """Whether a board has circles of known size."""
    kinds = (BoardKind.CIRCLES, BoardKind.ASYMMETRIC_CIRCLES)
    return board.kind in kinds and board.size > 0


def straightened(
    sightings: Sequence[Sighting], board: Board, lens: Lens, adjustment: Adjustment
) -> list[Sighting]:
    """Sightings of circles as if their middles had been seen; those not kept stay as they are."""
    state = adjustment.fit.state
    found = list(sightings)
    for i, v in enumerate(adjustment.kept):
        one = sightings[v]
        middles = board.points_m[one.point_idx]
        bias_px = _bias_px(
            middles,
            board.size / 2,
            lens,
            state.lens_params[0],
            rotation=state.board_rotations[i],
            translation_m=state.board_translations_m[i],
        )
        found[v] = Sighting(name=one.name, point_idx=one.point_idx, uv_px=one.uv_px - bias_px)
    return found


def _bias_px(
    middles_m: FloatArray,
    radius_m: float,
    lens: Lens,
    params: FloatArray,
    *,
    rotation: FloatArray,
    translation_m: FloatArray,
) -> FloatArray:
    """Middle of each disc's image less the image of its middle, float64 [N, 2]."""
    angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    rim = radius_m * np.stack([np.cos(angle), np.sin(angle), np.zeros(_CORNERS)], axis=1)
    points = (middles_m[:, None] + rim).reshape(-1, 3) @ rotation.T + translation_m
    seen = lens.pixels(middles_m @ rotation.T + translation_m, params)
    # relative to the middle, where the sums of the polygon's area lose no digits
    x, y = np.moveaxis(lens.pixels(points, params).reshape(-1, _CORNERS, 2) - seen[:, None], 2, 0)
    next_x, next_y = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    cross = x * next_y - next_x * y
    area = 3 * cross.sum(axis=1)
    return np.stack(
        [((x + next_x) * cross).sum(axis=1) / area, ((y + next_y) * cross).sum(axis=1) / area],
        axis=1,
    )
