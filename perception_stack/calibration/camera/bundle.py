"""Bundle adjustment of one camera or a rig: lenses, camera poses and board poses at once.

Camera 0 is the frame of the rig. Shared parameters are those of the lenses, camera by camera, and
then a small rotation and the translation of each further camera; private ones are a small
rotation and the translation of the board in each view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.camera.lens import Lens
from perception_stack.calibration.estimation.normal_equations import (
    Stack,
)
from perception_stack.calibration.estimation.rotations import exp
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.datatypes import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RigState:
    """One guess of everything.

    Attributes:
        lens_params: float64 [P] of each camera.
        rotations: float64 [C, 3, 3], camera from rig; the first is the unit matrix.
        translations_m: float64 [C, 3], the first is zero.
        board_rotations: float64 [V, 3, 3], rig from board.
        board_translations_m: float64 [V, 3].
    """

    lens_params: tuple[FloatArray, ...]
    rotations: FloatArray
    translations_m: FloatArray
    board_rotations: FloatArray
    board_translations_m: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rows:
    """All that one camera saw; slots are places in the stack."""

    slots: NDArray[np.intp]
    view: NDArray[np.intp]
    board_m: FloatArray
    uv_px: FloatArray


@dataclass(slots=True, eq=False)
class RigProblem:
    """What the solver needs; views are blocks.

    Attributes:
        lenses: Kind of each of C cameras.
        sightings: For each view, what each camera saw of the board, None for nothing.
        board_points_m: float64 [N, 3].
        free_lenses: Whether the lenses are sought; else they stay as they are.
        free_cameras: Whether the poses of cameras are sought.
    """

    lenses: Sequence[Lens]
    sightings: Sequence[Sequence[Sighting | None]]
    board_points_m: FloatArray
    free_lenses: bool = True
    free_cameras: bool = True
    _rows: list[_Rows] = field(init=False)
    _there: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        num = [
            [0 if one is None else len(one.point_idx) for one in view] for view in self.sightings
        ]
        ends = np.cumsum(np.array(num, dtype=np.intp).reshape(len(num), -1), axis=1)
        self._there = np.arange(ends[:, -1].max(initial=0)) < ends[:, -1:]
        self._rows = [self._rows_of(camera, ends) for camera in range(len(self.lenses))]

    def linearise(self, state: RigState) -> Stack:
        """Reprojection errors of all views."""
        sizes = [len(one) for one in state.lens_params] if self.free_lenses else []
        num_shared = sum(sizes) + (6 * (len(self.lenses) - 1) if self.free_cameras else 0)
        residuals = np.zeros((*self._there.shape, 2))
        jacobian = np.zeros((*self._there.shape, 2, num_shared + 6))
        for camera in range(len(self.lenses)):
            self._fill(
                state,
                camera,
                sizes,
                residuals.reshape(-1, 2),
                jacobian.reshape(-1, 2, num_shared + 6),
            )
        return Stack(residuals, jacobian, self._there, num_shared=num_shared)

    def moved(
        self, state: RigState, shared: FloatArray, private: Sequence[FloatArray]
    ) -> RigState:
        """The state after a step."""
        own = np.asarray(private)
        changes: dict[str, Any] = {
            "board_rotations": exp(own[:, :3]) @ state.board_rotations,
            "board_translations_m": state.board_translations_m + own[:, 3:],
        }
        used = 0
        if self.free_lenses:
            steps = np.split(shared, np.cumsum([len(one) for one in state.lens_params]))
            pairs = zip(state.lens_params, steps, strict=False)
            changes["lens_params"] = tuple(one + step for one, step in pairs)
            used = sum(len(one) for one in state.lens_params)
        if self.free_cameras and len(self.lenses) > 1:
            steps6 = shared[used:].reshape(-1, 6)
            steps6 = np.concatenate([np.zeros((1, 6)), steps6])
            changes["rotations"] = exp(steps6[:, :3]) @ state.rotations
            changes["translations_m"] = state.translations_m + steps6[:, 3:]
        return replace(state, **changes)

    def _rows_of(self, camera: int, ends: NDArray[np.intp]) -> _Rows:
        length = self._there.shape[1]
        slots, views, board, uv = [], [], [np.empty((0, 3))], [np.empty((0, 2))]
        for v, view in enumerate(self.sightings):
            one = view[camera]
            if one is not None:
                first = v * length + ends[v, camera] - len(one.point_idx)
                slots.append(np.arange(first, first + len(one.point_idx)))
                views.append(np.full(len(one.point_idx), v))
                board.append(self.board_points_m[one.point_idx])
                uv.append(one.uv_px)
        nothing = np.empty(0, dtype=np.intp)
        return _Rows(
            slots=np.concatenate([nothing, *slots]),
            view=np.concatenate([nothing, *views]),
            board_m=np.concatenate(board),
            uv_px=np.concatenate(uv),
        )

    def _fill(
        self,
        state: RigState,
        camera: int,
        sizes: list[int],
        residuals: FloatArray,
        jacobian: FloatArray,
    ) -> None:
        """Write what one camera sees into the rows of the stack."""
        rows = self._rows[camera]
        rotation, translation = state.rotations[camera], state.translations_m[camera]
        arm = np.einsum("nij,nj->ni", state.board_rotations[rows.view], rows.board_m)
        swung = arm + state.board_translations_m[rows.view]
        if camera > 0:
            swung = swung @ rotation.T
        params = state.lens_params[camera]
        uv_px, by_point, by_params = self.lenses[camera].project(swung + translation, params)
        by_rig = by_point
        if camera > 0:
            by_rig = (by_point.reshape(-1, 3) @ rotation).reshape(by_point.shape)
        residuals[rows.slots] = uv_px - rows.uv_px
        block = np.zeros((len(uv_px), 2, jacobian.shape[2]))
        _fill_turn(block[:, :, -6:-3], by_rig, arm)
        block[:, :, -3:] = by_rig
        if self.free_lenses:
            first = sum(sizes[:camera])
            block[:, :, first : first + len(params)] = by_params
        if self.free_cameras and camera > 0:
            first = sum(sizes) + 6 * (camera - 1)
            _fill_turn(block[:, :, first : first + 3], by_point, swung)
            block[:, :, first + 3 : first + 6] = by_point
        jacobian[rows.slots] = block


def _fill_turn(out: FloatArray, by_point: FloatArray, arm: FloatArray) -> None:
    """Derivative [N, 2, 3] by a turn of what lies at the end of an arm [N, 3]: arm x gradient."""
    x, y, z = arm.T[:, :, None]
    a, b, c = by_point[..., 0], by_point[..., 1], by_point[..., 2]
    out[..., 0], out[..., 1], out[..., 2] = y * c - z * b, z * a - x * c, x * b - y * a
