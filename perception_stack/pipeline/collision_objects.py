"""Names that last and a time to live for objects that a motion planner is told of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray, SceneObjects

_S = 1_000_000_000


@dataclass(slots=True)
class _Told:
    """What the planner knows: where it was, how large, and when it was seen."""

    center_m: FloatArray
    reach_m: float
    seen_ns: int


class CollisionObjects:
    """Keeps the names of objects from frame to frame, and lets those go that are not seen.

    A tracked object is called by its identity. Another keeps its name while it is found within
    half its size of where it was, for which the camera must not move.

    Args:
        ttl_s: How long an object stays that is not seen.
    """

    def __init__(self, ttl_s: float) -> None:
        self._ttl_ns = round(ttl_s * _S)
        self._told: dict[str, _Told] = {}
        self._num = 0

    def update(self, objects: SceneObjects) -> tuple[list[str], list[str]]:
        """The names of the objects, by row, and those of objects to be removed."""
        boxes, at_ns = objects.boxes, objects.boxes.stamp_ns
        names: list[str] = []
        for row, identity in enumerate(objects.ids):
            center_m = boxes.center_m[row]
            name = str(identity) if identity is not None else self._name_of(center_m, names)
            reach_m = float(boxes.size_lwh_m[row].max()) / 2
            self._told[name] = _Told(center_m=center_m, reach_m=reach_m, seen_ns=at_ns)
            names.append(name)
        gone = [
            name
            for name, one in self._told.items()
            # a stamp that falls back is of another time
            if name not in names and not 0 <= at_ns - one.seen_ns < self._ttl_ns
        ]
        for name in gone:
            del self._told[name]
        return names, gone

    def _name_of(self, center_m: FloatArray, taken: list[str]) -> str:
        """The name of the nearest object that may be this one; a new one if there is none."""
        near = [
            (float(np.linalg.norm(one.center_m - center_m)), name)
            for name, one in self._told.items()
            if name not in taken
        ]
        distance_m, name = min(near, default=(np.inf, ""))
        if name and distance_m < self._told[name].reach_m:
            return name
        self._num += 1
        return f"object_{self._num}"
