"""Who uses a simulated road: parked and moving vehicles, cyclists, walkers, one who crosses.

Everybody keeps to a lane of its own kind, and all in one lane go at one pace, so nobody ever
runs into anybody; only the crossing pedestrian has to look for a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.simulation.course import CARRIAGEWAY_M, Course, travel
from perception_stack.simulation.models import Model, Stock, make_stock
from perception_stack.simulation.motion import standing
from perception_stack.simulation.world import Body

_DRIVING_LANE_M = 1.6
_CYCLE_LANE_M = 3.15
_PARKING_M = 4.5
_PAVEMENT_LANES_M = (6.5, 7.3, 8.1)
_CYCLING_MPS = 4.2
_ONCOMING_PACE = 0.9
_TRUCK_EVERY = 4
_SURGE_M, _SURGE_S = 1.5, 8.0

_CROSSING_MPS = 1.5
_CROSSING_EDGE_M = CARRIAGEWAY_M - 0.3
_CLEAR_ALONG_M, _CLEAR_ASIDE_M = 5.5, 1.9
_PARKING_BAN_M = 7.0
_NUM_TRIES = 400
_SAMPLE_S = 0.1

Place = Callable[[float], tuple[float, float]]
"""Metres along the road and aside of its centre line at a time in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The part of a road in use, and when."""

    course: Course
    start_m: float
    end_m: float
    duration_s: float
    pace_mps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Actor:
    """A model on its way; ``pace_mps`` is for its gait and zero for what never moves."""

    model: Model
    place: Place
    heading_rad: float
    pace_mps: float


def ego_place(pace_mps: float) -> Place:
    """Where the ego vehicle is: it starts at 0 in the right-hand lane."""
    return _steady(0.0, -_DRIVING_LANE_M, pace_mps, surge_m=_SURGE_M)


def build_traffic(stretch: Stretch, rng: np.random.Generator) -> tuple[list[Body], float | None]:
    """All objects of the scene, with identities from 0 up.

    Returns:
        The objects, and where along the road one of them crosses it; None when the traffic
        leaves no gap.
    """
    stock = make_stock(rng)
    actors = [*_drivers(stretch, stock, rng), *_cyclists(stretch, stock, rng)]
    others = [ego_place(stretch.pace_mps), *(actor.place for actor in actors)]
    gap = _find_gap(stretch, others, rng)
    crossing_m = None
    if gap is not None:
        crossing_m = gap[0]
        actors.append(_crossing(*gap, _pick(stock.walkers, rng)))
    actors += _walkers(stretch, stock, rng)
    actors += _parked(stretch, stock, crossing_m, rng)
    bodies = [_body(track_id, one, stretch.course) for track_id, one in enumerate(actors)]
    return bodies, crossing_m


def _drivers(stretch: Stretch, stock: Stock, rng: np.random.Generator) -> Iterator[_Actor]:
    """Vehicles ahead of and behind the ego vehicle at its pace, and oncoming ones."""
    pace_mps = stretch.pace_mps
    oncoming_mps = -_ONCOMING_PACE * pace_mps
    far_m = stretch.end_m - oncoming_mps * stretch.duration_s
    lanes = (
        (np.array([-rng.uniform(16, 24)]), -_DRIVING_LANE_M, pace_mps),
        (_spread(22, stretch.end_m, (26, 50), rng), -_DRIVING_LANE_M, pace_mps),
        (_spread(12, far_m, (35, 65), rng), _DRIVING_LANE_M, oncoming_mps),
    )
    for starts_m, aside_m, lane_mps in lanes:
        for idx, start_m in enumerate(starts_m):
            is_truck = idx % _TRUCK_EVERY == 1
            yield _Actor(
                model=_pick(stock.trucks if is_truck else stock.cars, rng),
                place=_steady(start_m, aside_m, lane_mps, surge_m=_SURGE_M),
                heading_rad=0.0 if lane_mps > 0 else np.pi,
                pace_mps=pace_mps,
            )


def _cyclists(stretch: Stretch, stock: Stock, rng: np.random.Generator) -> Iterator[_Actor]:
    """Cyclists on both sides, slower than the cars."""
    for side in (-1, 1):
        for start_m in _spread(stretch.start_m, stretch.end_m, (15, 50), rng):
            yield _Actor(
                model=_pick(stock.cyclists, rng),
                place=_steady(start_m, side * _CYCLE_LANE_M, -side * _CYCLING_MPS),
                heading_rad=0.0 if side < 0 else np.pi,
                pace_mps=_CYCLING_MPS,
            )


def _walkers(stretch: Stretch, stock: Stock, rng: np.random.Generator) -> Iterator[_Actor]:
    """People on the pavements, each lane with its own direction and pace; some stand."""
    for side in (-1, 1):
        for lane_m in _PAVEMENT_LANES_M:
            pace_mps = float(rng.choice([-1.0, 1.0]) * rng.uniform(1.0, 1.6))
            if rng.random() < 0.25:
                pace_mps = 0.0
            for start_m in _spread(stretch.start_m, stretch.end_m, (3, 50), rng):
                yield _Actor(
                    model=_pick(stock.walkers if pace_mps else stock.standers, rng),
                    place=_steady(start_m, side * lane_m, pace_mps),
                    heading_rad=0.0 if pace_mps >= 0 else np.pi,
                    pace_mps=abs(pace_mps),
                )


def _parked(
    stretch: Stretch, stock: Stock, crossing_m: float | None, rng: np.random.Generator
) -> Iterator[_Actor]:
    """Cars at both kerbs with small and large gaps, none where somebody crosses."""
    for side in (-1, 1):
        for start_m in _spread(stretch.start_m, stretch.end_m, (5.6, 16), rng):
            if crossing_m is None or abs(start_m - crossing_m) > _PARKING_BAN_M:
                yield _Actor(
                    model=_pick(stock.cars, rng),
                    place=_steady(start_m, side * _PARKING_M, 0.0),
                    heading_rad=0.0 if side < 0 else np.pi,
                    pace_mps=0.0,
                )


def _find_gap(
    stretch: Stretch, others: Sequence[Place], rng: np.random.Generator
) -> tuple[float, float] | None:
    """Where and when a pedestrian can set off to cross without being run over, if anywhere."""
    times_s = np.arange(0.0, stretch.duration_s, _SAMPLE_S)
    ways = np.array([[place(time) for time in times_s] for place in others])  # [J, T, 2]
    for _ in range(_NUM_TRIES):
        along_m, start_s = rng.uniform(18, 80), rng.uniform(-2, max(1, stretch.duration_s - 4))
        own = np.array([_cross(along_m, start_s)(time) for time in times_s])
        apart = np.abs(ways - own)
        if not ((apart[..., 0] < _CLEAR_ALONG_M) & (apart[..., 1] < _CLEAR_ASIDE_M)).any():
            return along_m, start_s
    return None


def _crossing(along_m: float, start_s: float, model: Model) -> _Actor:
    return _Actor(
        model=model,
        place=_cross(along_m, start_s),
        heading_rad=np.pi / 2,
        pace_mps=_CROSSING_MPS,
    )


def _cross(along_m: float, start_s: float) -> Place:
    """Wait at the right kerb, cross, and wait at the left one."""

    def place(time_s: float) -> tuple[float, float]:
        aside_m = -_CROSSING_EDGE_M + _CROSSING_MPS * (time_s - start_s)
        return along_m, min(max(aside_m, -_CROSSING_EDGE_M), _CROSSING_EDGE_M)

    return place


def _steady(start_m: float, aside_m: float, pace_mps: float, *, surge_m: float = 0.0) -> Place:
    """Along a lane at a pace that swells and falls a little."""

    def place(time_s: float) -> tuple[float, float]:
        surge = surge_m * float(np.sin(2 * np.pi * time_s / _SURGE_S))
        return start_m + pace_mps * time_s + surge, aside_m

    return place


def _spread(
    start_m: float, end_m: float, gap_m: tuple[float, float], rng: np.random.Generator
) -> list[float]:
    """Places with random gaps between them; the first lies one gap after the start."""
    places = []
    at_m = start_m + rng.uniform(0, gap_m[1] - gap_m[0])
    while at_m < end_m:
        places.append(float(at_m))
        at_m += rng.uniform(*gap_m)
    return places


def _pick(models: Sequence[Model], rng: np.random.Generator) -> Model:
    return models[int(rng.integers(len(models)))]


def _body(track_id: int, actor: _Actor, course: Course) -> Body:
    model = actor.model
    motion = travel(
        course,
        actor.place,
        lift_m=model.size_lwh_m[2] / 2,
        heading_rad=actor.heading_rad,
    )
    return Body(
        track_id=track_id,
        label=model.label,
        size_lwh_m=model.size_lwh_m,
        motion=motion if actor.pace_mps else standing(*motion(0.0)),
        shapes=model.shapes,
        cycle_hz=actor.pace_mps / model.stride_m,
    )
