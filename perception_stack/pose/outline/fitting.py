"""Poses at which an object's outline and its depths fit the frame, from poses nearby.

Where a sensor measures little, on thin, shiny or half hidden objects, the colours on both sides of
the outline tell where it is: lines across it, with colours learned anew at each step (Stoiber,
Pfanne, Strobl, Triebel, Albu-Schäffer, "SRT3D: a sparse region-based 3D object tracking approach
for the real world", IJCV 2022), and depths inside of it where there are any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.pose.models import PoseModel
from perception_stack.pose.outline.close_up import CloseUp
from perception_stack.pose.outline.contour import Contour, contour_of, creases_of
from perception_stack.pose.region import noise_at
from perception_stack.pose.scene import Scene

LAST_STEP_PX = 1.0
_EDGE_PX = 1.0  # standard deviation of an edge in a camera's image, whose colours are blurred
_ALIKE_PX = 8.0  # side of a patch whose depths have an error in common; stereo matches such
# of the diameter
_LAST_LIMIT, _HIDES = 0.12, 0.2
_NOISES = 3.0
_DEPTH_BIAS = 0.005  # of the distance; makers of depth cameras promise 1 to 2 %
_LEAST_PART_PX = 30  # whose colours are learnt
_RIDGE = 1e-3
_LONGEST_STEP = 0.3  # of half the diameter, or radians
_PIXEL_SHARE = 0.1  # of pixels that say something new
_GAIN = 2.0  # of a pixel whose depth fits, in nats; one that contradicts loses as much


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutlineEvidence:
    """What the frame says to the outlines of H poses, float64 [H] unless said.

    Attributes:
        log_likelihood: Of all lines and depths, over that of chance; to compare poses by.
        fit: The same of a line across the outline, in the mean.
        contrast: How much likelier pixels inside are of the object than those outside, [-1, 1].
        open: Share of the outline that nothing nearer hides.
        through: Share of the pixels with a depth at which the camera looked through the object.
        log_pixels: Log of the pixels inside of the outline.
        information: float64 [H, 6, 6], inverse covariance of position and rotation vector of
            steps about the object's middle, axes of the scene.
    """

    log_likelihood: FloatArray
    fit: FloatArray
    contrast: FloatArray
    open: FloatArray
    through: FloatArray
    log_pixels: FloatArray
    information: FloatArray


class OutlineFit:
    """The fit of one object near one place of a frame.

    Args:
        model: The object.
        scene: A frame with colours.
        middle_m: float64 [3], about where the object's middle is, in front of the camera.
        noise_m: Standard deviation of a depth at 1 m.
        object_px: How large the object is looked at.
    """

    def __init__(
        self,
        model: PoseModel,
        scene: Scene,
        middle_m: FloatArray,
        *,
        noise_m: float,
        object_px: int,
    ) -> None:
        self._model = model
        self._view = CloseUp.of(scene, middle_m, model.diameter_m, object_px=object_px)
        self._zoom = max(self._view.scale, 1.0)  # of pixels that are new
        self._sigma_m = float(noise_at(middle_m[2], noise_m))
        self._margin_m = _HIDES * model.diameter_m + _NOISES * self._sigma_m
        self._bias_m = _DEPTH_BIAS * float(middle_m[2])
        self._limit_m = _LAST_LIMIT * model.diameter_m + self._sigma_m + 2 * self._bias_m
        self._drawn = np.empty(self._view.bins.shape)
        self._part = np.empty(self._view.bins.shape, dtype=np.int64)
        self._odds = np.empty(self._view.bins.shape, dtype=np.float32)

    def ranks(self, poses: FloatArray) -> FloatArray:
        """How well poses [H, 4, 4] fit as they are, float64 [H]; to choose which to go on with."""
        return np.array([self._rank(pose) for pose in poses])

    def fitted(
        self, poses: FloatArray, steps_px: Sequence[float], *, first_limit: float
    ) -> FloatArray:
        """Poses nearby that fit better, float64 [H, 4, 4].

        Args:
            poses: float64 [H, 4, 4], scene from model.
            steps_px: One for each iteration: pixels from one sample of a line to the next.
            first_limit: Depths farther off count nothing at first, in diameters.
        """
        limits_m = np.geomspace(
            max(first_limit * self._model.diameter_m, self._limit_m), self._limit_m, len(steps_px)
        )
        better = poses.copy()
        for row, start in enumerate(poses):
            pose = start
            for step_px, limit_m in zip(steps_px, limits_m, strict=True):
                contour = self._contour(pose)
                if not len(contour):
                    break
                matrix, right, _, _ = self._sums(pose, contour, step_px, float(limit_m))
                pose = self._moved(pose, self._solved(matrix, right))
            better[row] = pose
        return better

    def evidence(self, poses: FloatArray) -> OutlineEvidence:
        """What the frame says to poses [H, 4, 4]."""
        rows = [self._seen(pose) for pose in poses]
        names = OutlineEvidence.__slots__[:-1]
        values = np.array([values for values, _ in rows]).reshape(len(rows), len(names))
        information = np.array([matrix for _, matrix in rows]).reshape(len(rows), 6, 6)
        return OutlineEvidence(**dict(zip(names, values.T, strict=True)), information=information)

    def _seen(self, pose: FloatArray) -> tuple[list[float], FloatArray]:
        """The evidence on one pose, in the order of its attributes."""
        contour = self._contour(pose)
        if not len(contour):
            return [-np.inf, 0.0, 0.0, 0.0, 0.0, 0.0], np.zeros((6, 6))
        matrix, _, lines, depths = self._sums(pose, contour, LAST_STEP_PX, self._limit_m)
        num_open = max(lines[0], 1.0)
        likelihood = lines[1] * self._line_share(contour) + lines[3] + self._depth_gain()
        values = [
            float(likelihood),
            lines[1] / num_open,
            lines[2] / num_open,
            lines[0] / len(contour),
            depths[2] / max(depths[1], 1.0),
            float(np.log(max(depths[0] / self._zoom**2, 1.0))),
        ]
        first_shifts = np.roll(np.arange(6), 3)
        return values, matrix[np.ix_(first_shifts, first_shifts)]

    def _rank(self, pose: FloatArray) -> float:
        """Log likelihood of colours and depths together, over that of one colour for all."""
        from perception_stack.pose.outline._drawing import region_gain

        self._draw(pose)
        view = self._view
        gain = region_gain(self._drawn, view.nearest_m, view.bins, self._margin_m)
        return float(_PIXEL_SHARE * gain / self._zoom**2 + self._depth_gain())

    def _depth_gain(self) -> float:
        """Log likelihood of the depths where the object is drawn, over that of chance."""
        both = np.isfinite(self._drawn) & np.isfinite(self._view.depth_m)
        gap_m = self._view.depth_m[both] - self._drawn[both]
        fits = np.maximum(_GAIN - 0.5 * (gap_m / (self._limit_m / 2)) ** 2, 0.0)
        # what is nearer hides the object; that the camera looked through it is no matter of noise
        num_through = float((gap_m > self._margin_m).sum())
        through = _GAIN * _PIXEL_SHARE * num_through / self._zoom**2
        return float(fits.sum() * self._depth_share - through)

    @property
    def _depth_share(self) -> float:
        """Of pixels whose depths say something new."""
        return (self._zoom * _ALIKE_PX) ** -2

    def _line_share(self, contour: Contour) -> float:
        """Of lines that say something new."""
        return min(contour.spacing_px / self._zoom, 1.0)

    def _sums(
        self, pose: FloatArray, contour: Contour, step_px: float, limit_m: float
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Normal equations of what is drawn, and the sums of lines and of depths."""
        import cv2

        from perception_stack.pose.outline import _drawing, _sums

        view, middle_m = self._view, self._middle(pose)
        _drawing.inside_odds(
            self._drawn, view.nearest_m, view.bins, self._margin_m, float(middle_m[2]), self._odds
        )
        odds = self._odds.copy()
        if step_px > LAST_STEP_PX:  # as wide as what a sample stands for
            hidden = self._odds == _drawing.UNKNOWN
            odds[hidden] = 0.5
            # (by an odd number of pixels, or it would move, too)
            odds[:] = cv2.blur(odds, (2 * round(step_px / 2) + 1,) * 2)
            odds[hidden] = _drawing.UNKNOWN
        matrix, right, lines = self._line_sums(contour, odds, step_px, middle_m)
        of_depths, right_of_depths, depths = _sums.depth_sums(
            self._drawn,
            view.depth_m,
            view.pinhole,
            limit_m,
            self._sigma_m,
            self._margin_m,
            middle_m,
            (self._depth_share, self._bias_m),
        )
        of_creases, right_of_creases, fit = self._crease_sums(step_px, middle_m)
        matrix = matrix + of_depths + of_creases
        right = right + right_of_depths + right_of_creases
        return matrix, right, np.append(lines, fit), depths

    def _line_sums(
        self,
        contour: Contour,
        odds: NDArray[np.float32],
        step_px: float,
        middle_m: FloatArray,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Normal equations of the lines across an edge that say something new; sums of all."""
        from perception_stack.pose.outline import _sums

        matrix, right, lines = _sums.outline_sums(
            (contour.uv_px, contour.outward, contour.points_m),
            odds,
            self._view.pinhole,
            step_px,
            _EDGE_PX * self._zoom,
            middle_m,
        )
        share = self._line_share(contour)
        return share * matrix, share * right, lines

    def _crease_sums(
        self, step_px: float, middle_m: FloatArray
    ) -> tuple[FloatArray, FloatArray, float]:
        """The same of where parts of other colours or light meet within the outline."""
        from perception_stack.pose.outline import _drawing

        view, matrix, right, fit = self._view, np.zeros((6, 6)), np.zeros(6), 0.0
        for contour, side in creases_of(self._part, self._drawn, view.pinhole):
            fewest = _drawing.crease_odds(
                self._drawn, side, view.nearest_m, view.bins, self._margin_m, self._odds
            )
            if fewest < _LEAST_PART_PX:
                continue
            of_one, right_of_one, lines = self._line_sums(contour, self._odds, step_px, middle_m)
            matrix, right = matrix + of_one, right + right_of_one
            fit += self._line_share(contour) * float(lines[1])
        return matrix, right, fit

    def _solved(self, matrix: FloatArray, right: FloatArray) -> FloatArray:
        """The step that normal equations ask for, not too long."""
        scale = np.repeat([1.0, self._model.diameter_m / 2], 3)  # so that a ridge fits both
        matrix = matrix * np.outer(scale, scale)
        matrix += (_RIDGE * np.trace(matrix) / 6 + 1e-9) * np.eye(6)
        step = np.linalg.solve(matrix, right * scale)
        return np.asarray(step * scale * min(1.0, _LONGEST_STEP / max(np.abs(step).max(), 1e-9)))

    def _moved(self, pose: FloatArray, step: FloatArray) -> FloatArray:
        from scipy.spatial.transform import Rotation

        moved = pose.copy()
        moved[:3, :3] = Rotation.from_rotvec(step[:3]).as_matrix() @ pose[:3, :3]
        place_m = self._middle(pose) + step[3:]
        moved[:3, 3] = place_m - moved[:3, :3] @ self._model.known.middle_m
        return moved

    def _contour(self, pose: FloatArray) -> Contour:
        self._draw(pose)
        return contour_of(self._drawn, self._view.pinhole)

    def _draw(self, pose: FloatArray) -> None:
        from perception_stack.pose.outline._drawing import draw

        vertices_m, triangles = self._model.faces
        placed_m = vertices_m @ pose[:3, :3].T + pose[:3, 3]
        parts = self._model.parts
        draw(placed_m, triangles, parts, self._view.pinhole, self._drawn, self._part)

    def _middle(self, pose: FloatArray) -> FloatArray:
        return np.asarray(pose[:3, :3] @ self._model.known.middle_m + pose[:3, 3])
