"""Known objects at the levels of detail that the search for a pose needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.objects.library import ObjectModel, load_library
from perception_stack.objects.parts import smooth_parts
from perception_stack.objects.surface import Surface

# distances of the points, relative to the diameter
_CONTACTS, _EVEN = 0.14, 0.045
_MOST_CONTACTS, _WIDER = 72, 1.1
_MOST_FACES, _SQUARE = 20_000, 0.6  # half a side, in spacings of the samples
_SAME = 0.9  # cosine of normals


@dataclass(frozen=True, kw_only=True, eq=False)
class PoseModel:
    """One known object.

    Attributes:
        known: All that is known of it.
        contacts: Few points all around it, to look at a pose at a glance.
        distinct: Rows of those that no symmetry makes the same; they are tried at places seen.
        even: As far apart as the points looked at.
        fine: Many, to find the place exactly.
        equivalents: float64 [E, 4, 4], motions of the model that change nothing.
    """

    known: ObjectModel
    contacts: Surface
    distinct: NDArray[np.intp]
    equivalents: FloatArray
    even: Surface
    fine: Surface

    @classmethod
    def of(cls, known: ObjectModel) -> PoseModel:
        """Thin out the samples of an object."""
        even = known.surface.thinned(_EVEN * known.diameter_m)
        even.grid  # noqa: B018  # made now and not at the first frame
        contacts = _contacts(known)
        equivalents = known.symmetries.equivalents()
        return cls(
            known=known,
            contacts=contacts,
            distinct=_distinct(contacts, equivalents),
            equivalents=equivalents,
            even=even,
            fine=known.surface,
        )

    @property
    def name(self) -> str:
        """Class of its detections."""
        return self.known.name

    @property
    def diameter_m(self) -> float:
        """Largest distance of two of its points."""
        return self.known.diameter_m

    @cached_property
    def faces(self) -> tuple[FloatArray, NDArray[np.int64]]:
        """Corners [V, 3] and triangles [T, 3] of few enough faces to be drawn.

        A mesh as it is; a large one, or points, as small squares that lie on the samples.
        """
        if 0 < len(self.known.triangles) <= _MOST_FACES:
            return self.known.vertices_m, self.known.triangles
        return _squares(self.known.surface)

    @cached_property
    def parts(self) -> NDArray[np.int64]:
        """Of each triangle of :attr:`faces`, [T], the number of the smooth part it belongs to.

        Parts meet in creases: edges at which a surface bends by more than 30 degrees.
        """
        vertices_m, triangles = self.faces
        if triangles is not self.known.triangles:
            return np.zeros(len(triangles), dtype=np.int64)
        return smooth_parts(vertices_m, triangles)

    @property
    def is_ball(self) -> bool:
        """Whether no turn changes anything."""
        return len(self.known.symmetries.axes) > 1

    def canonical(self, poses: FloatArray) -> FloatArray:
        """Of the poses [H, 4, 4] that are the same to the eye, that which is turned least."""
        turns = np.einsum("hij,eji->he", poses[:, :3, :3], self.equivalents[:, :3, :3])
        return np.asarray(poses @ self.equivalents[np.argmax(turns, axis=1)])

    @property
    def box_lwh_m(self) -> FloatArray:
        """Sides of the smallest box that is centred on the mesh's origin and holds it, [3]."""
        half_m = np.abs(self.known.middle_m) + self.known.size_lwh_m / 2
        return np.asarray(2 * half_m)


def _contacts(known: ObjectModel) -> Surface:
    """Few points all around, in mixed order, so that the first of them say something of all."""
    spacing_m = _CONTACTS * known.diameter_m
    contacts = known.surface.thinned(spacing_m)
    while len(contacts) > _MOST_CONTACTS:
        spacing_m *= _WIDER
        contacts = known.surface.thinned(spacing_m)
    order = np.random.default_rng(0).permutation(len(contacts))
    return Surface(
        points_m=contacts.points_m[order],
        normals=contacts.normals[order],
        spacing_m=spacing_m,
    )


def _squares(surface: Surface) -> tuple[FloatArray, NDArray[np.int64]]:
    """A square on each sample, as wide as samples are apart, in two triangles."""
    least = np.eye(3)[np.argmin(np.abs(surface.normals), axis=1)]
    first = np.cross(surface.normals, least)
    first *= _SQUARE * surface.spacing_m / np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(surface.normals, first)
    corners = np.stack([first + second, first - second, -first - second, second - first], axis=1)
    vertices_m = (surface.points_m[:, None] + corners).reshape(-1, 3)
    triangles = 4 * np.arange(len(surface))[:, None, None] + np.array([[0, 1, 2], [0, 2, 3]])
    return vertices_m, triangles.reshape(-1, 3)


def _distinct(contacts: Surface, equivalents: FloatArray) -> NDArray[np.intp]:
    """Rows of contacts that no motion takes to near an earlier one."""
    points_m = contacts.points_m
    moved = points_m @ equivalents[:, :3, :3].transpose(0, 2, 1) + equivalents[:, None, :3, 3]
    directions = contacts.normals @ equivalents[:, :3, :3].transpose(0, 2, 1)
    kept: list[int] = []
    limit_m = contacts.spacing_m / 2
    for row in range(len(points_m)):
        apart_m = np.linalg.norm(moved[:, row, None] - points_m[kept], axis=2)
        like = np.einsum("ei,ki->ek", directions[:, row], contacts.normals[kept])
        if not ((apart_m < limit_m) & (like > _SAME)).any():
            kept.append(row)
    return np.array(kept, dtype=np.intp)


def load_models(folder: Path) -> dict[str, PoseModel]:
    """The objects of a folder, by name; errors as of ``load_library``."""
    return {name: PoseModel.of(known) for name, known in load_library(folder).items()}
