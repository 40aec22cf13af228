"""Which points a 2-D detection may mean: several readings of each, of which the best is chosen.

A reading is a set of obstacle points. Of a cluster that the detection was assigned to there is the
whole of it, the part in the 2-D box (something else is joined to it), and the nearer or farther
side of a gap in depth; to each may belong further clusters that lie in the box (it fell to
pieces). A detection without a cluster reads what stands in its frustum: what is free, or what it
would have to take from another one, whose cluster held both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.fusion.association import Rays
from perception_stack.fusion.bodies import Bodies
from perception_stack.fusion.sight import CameraView, Index, Sight, median_depth_m

NO_BODY = NO_DETECTION = -1
_GAPS_M = (1.0, 0.5, 0.25)  # in depth, between things in one frustum; of small things less
_FULL_SIZE_M = 1.0  # what is smaller has gaps and pieces in proportion
_LEAST_SCALE = 0.02
_MOST_SEGMENTS = 3
_PIECE_SHARE = 0.7  # of a cluster's rays that are in the box, to be a piece of what is meant
_PIECE_AWAY_M = 5.0  # in depth, half of a long truck
_MOST_PIECES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of one detection.

    Attributes:
        detection: Its row.
        row: The body it was assigned to, :data:`NO_BODY` for none.
        joined: Further bodies that are pieces of it.
        changed: Whether it is another set than the points of that body.
        points: int [K], rows among all obstacle points.
        ground_m: Height of the ground below it.
        rays: Intersection over union of its rays and those through the 2-D box.
        taken_from: Detection that would lose points to it, :data:`NO_DETECTION` for none.
    """

    detection: int
    row: int
    joined: tuple[int, ...]
    changed: bool
    points: Index
    ground_m: float
    rays: float
    taken_from: int = NO_DETECTION


class Reader:
    """Makes the readings of one camera's detections.

    Args:
        bodies: What is known before.
        view: Of the camera; its transform is from the frame of the bodies.
        sight: The points in its image.
        rays: Of the bodies and the 2-D boxes.
        pairs: Body by detection, for those assigned.
        min_points: Smaller readings are none.
    """

    def __init__(
        self,
        bodies: Bodies,
        view: CameraView,
        sight: Sight,
        rays: Rays,
        pairs: dict[int, int],
        *,
        min_points: int,
    ) -> None:
        self._bodies = bodies
        self._view = view
        self._sight = sight
        self._row = bodies.row_of_point[sight.index]
        self._ground_m = bodies.ground_m.tolist()
        self._rays = rays
        self._pairs = pairs
        self._min_points = min_points
        # points of the image by body: those of row i are order[start[i] : start[i + 1]]
        small = np.int16 if len(bodies) < 2**15 else np.int32  # sorted by radix
        self._order = np.argsort(self._row.astype(small), kind="stable")
        self._start = np.searchsorted(self._row[self._order], np.arange(len(bodies) + 1))
        self._size = np.bincount(bodies.row_of_point + 1, minlength=len(bodies) + 1)[1:]
        mostly = (rays.common > 0) & (rays.common >= _PIECE_SHARE * rays.on_body[:, None])
        mostly[list(pairs.values())] = False
        self._pieces_of = mostly.T
        # the detection that explains each point of the image
        self._owner = np.full(len(sight.index), NO_DETECTION)
        for detection, row in pairs.items():
            place = self._places(row)
            self._owner[place[sight.inside[detection, place]]] = detection

    def of_assigned(self, detection: int) -> list[Reading]:
        """All readings of a detection that has a cluster, that which leaves it as it is first.

        One to which bodies are joined comes after the same with fewer of them.
        """
        row = self._pairs[detection]
        if self._rays.on_body[row] == 0:
            return []
        inside = np.flatnonzero(self._sight.inside[detection])
        owner = self._owner[inside]
        mine = inside[owner == detection]
        num_rays = len(mine) + int(np.count_nonzero(owner == NO_DETECTION))
        pieces = self._pieces(detection, inside, mine)
        readings = []
        for core, changed in self._cores(row, mine, self._scale(detection, mine)):
            for num in range(len(pieces) + 1):
                joined = tuple(pieces[:num])
                parts = [np.flatnonzero(self._bodies.row_of_point == one) for one in joined]
                points = np.concatenate([core, *parts])
                readings.append(
                    Reading(
                        detection=detection,
                        row=row,
                        joined=joined,
                        changed=changed or num > 0,
                        points=points,
                        ground_m=self._ground_m[row],
                        rays=self._overlap(detection, points, num_rays),
                    )
                )
        return readings

    def settle(self, chosen: Sequence[Reading]) -> None:
        """From now on only what these mean, and shows in their 2-D boxes, is theirs."""
        self._owner[:] = NO_DETECTION
        for one in chosen:
            place = self._sight.place[one.points]
            place = place[place >= 0]
            self._owner[place[self._sight.inside[one.detection, place]]] = one.detection

    def of_free(self, detection: int) -> list[Reading]:
        """All readings of a detection that has no cluster."""
        inside = np.flatnonzero(self._sight.inside[detection])
        free = inside[self._owner[inside] == NO_DETECTION]
        gaps_m = self._scale(detection, free) * np.array(_GAPS_M)
        parts = [(part, NO_DETECTION) for part in self._segments(free, gaps_m)]
        if len(free) < len(inside):
            for part in self._segments(inside, gaps_m):
                owner = self._owner[part]
                num_of = np.bincount(owner + 1)[1:]
                if num_of.max(initial=0) >= self._min_points:
                    loser = int(np.argmax(num_of))
                    parts.append((part[(owner == loser) | (owner == NO_DETECTION)], loser))
        readings = []
        for place, loser in parts:
            points = self._sight.index[place]
            num_rays = len(free) + int(np.count_nonzero(self._owner[place] != NO_DETECTION))
            readings.append(
                Reading(
                    detection=detection,
                    row=NO_BODY,
                    joined=(),
                    changed=True,
                    points=points,
                    ground_m=self._ground(detection, place),
                    rays=self._overlap(detection, points, num_rays),
                    taken_from=loser,
                )
            )
        return readings

    def _places(self, row: int) -> Index:
        """Where in the image's points those of a body stand."""
        return self._order[self._start[row] : self._start[row + 1]]

    def _scale(self, detection: int, place: Index) -> float:
        """How large what is seen at these points is, compared to what the gaps were made for."""
        left, top, right, bottom = self._view.detections.xyxy_px[detection]
        focal_px = self._view.camera.k[0, 0]
        size_m = max(right - left, bottom - top) / focal_px * median_depth_m(self._sight, place)
        return float(np.clip(np.nan_to_num(size_m / _FULL_SIZE_M), _LEAST_SCALE, 1.0))

    def _cores(self, row: int, within: Index, scale: float) -> list[tuple[Index, bool]]:
        """What of a body may be meant, the whole first; whether each is less than that."""
        index = self._sight.index
        seen = index[self._places(row)]
        # what is out of the image speaks neither for nor against being a part
        unseen = np.empty(0, dtype=np.intp)
        if len(seen) < self._size[row]:
            of_body = np.flatnonzero(self._bodies.row_of_point == row)
            unseen = of_body[self._sight.place[of_body] < 0]
        cores = [(np.append(seen, unseen), False)]
        if 0 < len(within) <= len(seen) - self._min_points:
            cores.append((np.append(index[within], unseen), True))
        # a gap leaves a bin of half its width empty; most clusters have none
        depth_m = self._sight.depth_m[within]
        gap_m = scale * _GAPS_M[0]
        bins = ((depth_m - depth_m.min(initial=np.inf)) * (2 / gap_m)).astype(np.intp)
        if (np.bincount(bins) == 0).any():
            segments = self._segments(within, np.array([gap_m]))
            cores += [(np.append(index[one], unseen), True) for one in segments]
        return cores

    def _overlap(self, detection: int, points: Index, num_rays: int) -> float:
        """Intersection over union of the rays on points with ``num_rays`` through a 2-D box."""
        place = self._sight.place[points]
        place = place[place >= 0]
        common = int(np.count_nonzero(self._sight.inside[detection, place]))
        return common / max(len(place) + num_rays - common, 1)

    def _segments(self, place: Index, gaps_m: FloatArray) -> list[Index]:
        """Parts between gaps in depth, for each gap the largest first."""
        if len(place) < self._min_points:
            return []
        place = place[np.argsort(self._sight.depth_m[place])]
        step_m = np.diff(self._sight.depth_m[place])
        found: dict[tuple[int, int], Index] = {}
        for gap_m in gaps_m:
            cuts = np.flatnonzero(step_m > gap_m) + 1
            starts, ends = np.append(0, cuts), np.append(cuts, len(place))
            largest = np.argsort(starts - ends, kind="stable")[:_MOST_SEGMENTS]
            for start, end in zip(starts[largest], ends[largest], strict=True):
                if end - start >= self._min_points:
                    found.setdefault((start, end), place[start:end])
        return list(found.values())

    def _pieces(self, detection: int, inside: Index, core: Index) -> list[int]:
        """Bodies of no detection that lie in its box, nearest in depth first."""
        candidates = np.flatnonzero(self._pieces_of[detection]).tolist()
        if not candidates:
            return []
        depth_m = median_depth_m(self._sight, core)
        row = self._row[inside]
        away_m = {
            one: abs(median_depth_m(self._sight, inside[row == one]) - depth_m)
            for one in candidates
        }
        reach_m = self._scale(detection, core) * _PIECE_AWAY_M
        near = [one for one in candidates if away_m[one] < reach_m]
        return sorted(near, key=lambda one: away_m[one])[:_MOST_PIECES]

    def _ground(self, detection: int, place: Index) -> float:
        """Where the ground is below points of the image.

        Below the body most of them are in, or else where the lower border of the 2-D box is at
        their depth, but not above them.
        """
        row = int(np.argmax(np.bincount(self._row[place] + 1))) - 1
        if row != NO_BODY:
            return float(self._ground_m[row])
        left, _, right, bottom = self._view.detections.xyxy_px[detection]
        ray = self._view.camera.rays(np.array([[(left + right) / 2, bottom]]))
        obstacles_from_camera = self._view.camera_from_obstacles.inverse()
        below = obstacles_from_camera.apply(ray * median_depth_m(self._sight, place))[0, 2]
        return float(min(below, self._bodies.xyz_m[self._sight.index[place], 2].min()))
