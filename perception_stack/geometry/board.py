"""Flat boards of known points: what is printed, where its points are, how it is written in words.

A board is written ``KIND:COLUMNSxROWS:SPACING[:SIZE[:DICTIONARY]]``, lengths in metres:

* ``chessboard:9x6:0.025``: inner corners, side of a square;
* ``charuco:8x5:0.04:0.03:DICT_5X5_100``: squares, their side, side of a marker, its dictionary;
* ``aprilgrid:6x6:0.088:0.3``: tags (36h11), their side, gap between them over it, as for Kalibr;
* ``circles:7x5:0.03:0.018``: circles, distance of their centres, diameter;
* ``asymmetric-circles:4x11:0.02:0.02``: circles a row and rows as OpenCV counts them, half the
  distance of neighbours in a row, diameter. Without a diameter, circles seen at a slant are taken
  for where the middles of their images are, which is a few tenths of a pixel off.

The frame of a board has x along its columns, y along its rows and z as right hands have it; its
origin is the first point.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.errors import ConfigError

EXAMPLES = (
    "chessboard:9x6:0.025",
    "charuco:8x5:0.04:0.03:DICT_5X5_100",
    "aprilgrid:6x6:0.088:0.3",
    "circles:7x5:0.03:0.018",
    "asymmetric-circles:4x11:0.02:0.02",
)
_LARGEST_M = 10.0


class BoardKind(str, Enum):
    """What is printed."""

    CHESSBOARD = "chessboard"
    CHARUCO = "charuco"
    APRILGRID = "aprilgrid"
    CIRCLES = "circles"
    ASYMMETRIC_CIRCLES = "asymmetric-circles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One board.

    Attributes:
        kind: What is printed.
        columns: Points, squares or tags along x, see the module.
        rows: Along y.
        spacing_m: Side of a square or tag, or distance of circles.
        size: Side of a marker [m] (ChArUco), gap over side (AprilGrid), diameter of a circle [m]
            or 0 where it is not known, else 0.
        dictionary: Of the markers (ChArUco), as OpenCV calls it, else empty.
    """

    kind: BoardKind
    columns: int
    rows: int
    spacing_m: float
    size: float = 0.0
    dictionary: str = ""

    def __post_init__(self) -> None:
        if self.columns < 2 or self.rows < 2 or self.columns * self.rows < 6:
            raise ConfigError(f"a board of {self.columns} x {self.rows} is too small")
        if not 0 < self.spacing_m < _LARGEST_M:
            text = f"spacing {self.spacing_m} m of the board is impossible; is it in millimetres?"
            raise ConfigError(text)
        if self.kind is BoardKind.CHARUCO and not 0 < self.size < self.spacing_m:
            raise ConfigError(f"markers of {self.size} m do not fit squares of {self.spacing_m} m")
        circles = (BoardKind.CIRCLES, BoardKind.ASYMMETRIC_CIRCLES)
        if self.kind in circles and not 0 <= self.size < 1.5 * self.spacing_m:
            raise ConfigError(f"circles of {self.size} m overlap at {self.spacing_m} m")
        if self.kind is BoardKind.APRILGRID and not 0 < self.size < 10:
            raise ConfigError(f"the gap of tags is {self.size} of their side; expected about 0.3")

    @classmethod
    def parse(cls, text: str) -> Board:
        """The board that a text means.

        Raises:
            ConfigError: it is not of the form given above; says what is missing.
        """
        kind, *rest = text.split(":")
        try:
            kinds = BoardKind(kind)
            columns, rows = (int(one) for one in rest[0].split("x"))
            lengths = [float(one) for one in rest[1:3]]
            return cls(
                kind=kinds,
                columns=columns,
                rows=rows,
                spacing_m=lengths[0],
                size=lengths[1] if len(lengths) > 1 else 0.0,
                dictionary=rest[3] if len(rest) > 3 else _default_dictionary(kinds),
            )
        except (ValueError, IndexError) as error:
            known = ", ".join(EXAMPLES)
            raise ConfigError(f"board '{text}' is not understood; examples: {known}") from error

    @property
    def points_m(self) -> FloatArray:
        """float64 [N, 3], all points of the board; z is 0."""
        if self.kind is BoardKind.APRILGRID:
            return self._tag_corners_m()
        columns, rows = self.columns, self.rows
        if self.kind is BoardKind.CHARUCO:
            columns, rows = columns - 1, rows - 1
        y, x = np.mgrid[:rows, :columns].astype(np.float64)
        if self.kind is BoardKind.ASYMMETRIC_CIRCLES:
            x = 2 * x + y % 2
        return np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3) * self.spacing_m

    @property
    def has_identities(self) -> bool:
        """Whether each point is told from all others, so that a part of the board is enough."""
        return self.kind in (BoardKind.CHARUCO, BoardKind.APRILGRID)

    @property
    def extent_m(self) -> FloatArray:
        """float64 [2], width and height spanned by the points."""
        extent: FloatArray = np.ptp(self.points_m[:, :2], axis=0)
        return extent

    def symmetries(self) -> list[NDArray[np.intp]]:
        """Orders in which the same points may be taken for each other; the first is as they are.

        A board without identities looks much the same when it is turned by a half, a square one
        also when it is turned by a quarter.
        """
        points = self.points_m[:, :2]
        identity = np.arange(len(points))
        if self.has_identities:
            return [identity]
        centred = points - (points.min(axis=0) + points.max(axis=0)) / 2
        found = []
        for quarter in range(4):
            cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter]
            turned = centred @ np.array([[cosine, sine], [-sine, cosine]])
            apart = np.linalg.norm(turned[:, None] - centred[None], axis=2)
            order = apart.argmin(axis=1)
            if apart.min(axis=1).max() < 1e-6 and len(np.unique(order)) == len(points):
                found.append(order)
        return found

    def _tag_corners_m(self) -> FloatArray:
        """Tag by tag, ids along x and then y (up), corners against the clock from lower left."""
        pitch = self.spacing_m * (1 + self.size)
        y, x = np.mgrid[: self.rows, : self.columns].astype(np.float64)
        origin = pitch * np.stack([x, y], axis=-1).reshape(-1, 1, 2)
        corners = self.spacing_m * np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
        flat = (origin + corners).reshape(-1, 2)
        return np.column_stack([flat, np.zeros(len(flat))])

    def __str__(self) -> str:
        """As :meth:`parse` reads it."""
        parts = [self.kind.value, f"{self.columns}x{self.rows}", f"{self.spacing_m:g}"]
        parts += [f"{self.size:g}"] if self.size else []
        return ":".join(parts + ([self.dictionary] if self.dictionary else []))


def _default_dictionary(kind: BoardKind) -> str:
    return "DICT_5X5_100" if kind is BoardKind.CHARUCO else ""
