"""What counts as a hit: parameters of the evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from perception_stack.config import StepConfig, param
from perception_stack.errors import ConfigError

_HALF_WAY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig(StepConfig):
    """Parameters of detection and tracking scores.

    Raises:
        ConfigError: a value out of range, ``neighbours`` or ``distance_edges_m`` malformed.
    """

    similarity: str = param(
        "distance_bev",
        "What a box and its truth are compared by: overlap in space or from above, or distance of "
        "the centres in the ground plane or in space.",
        choices=("iou_3d", "iou_bev", "distance_bev", "distance_3d"),
    )
    iou_threshold: float = param(
        0.25, "Least overlap of a hit, where overlap is compared.", low=0.0, high=1.0
    )
    match_distance_m: float = param(
        2.0,
        "Farthest centre of a hit, where distance is compared; similarity is 1 at no distance, "
        "0.5 here and 0 at twice that.",
        unit="m",
        low=0.001,
        high=1000.0,
    )
    classes: tuple[str, ...] = param(
        (), "Classes to score; all that occur when empty. Truth of other classes is ignored."
    )
    unknown_is_false: bool = param(
        False,
        "Whether a reported object of class unknown without truth is a false alarm. Truth names "
        "only things of known classes, and a wall that is reported as unknown is there.",
    )
    neighbours: tuple[str, ...] = param(
        ("car:van", "pedestrian:person_sitting"),
        "Pairs class:neighbour; truth of the neighbour class is neither hit nor miss for the "
        "class.",
    )
    states: tuple[str, ...] = param(
        ("confirmed", "coasting"),
        "Tracks that count as reported.",
        choices=("tentative", "confirmed", "coasting"),
    )
    region_overlap: float = param(
        0.5,
        "Share of a box's image rectangle inside a region without labels above which an unmatched "
        "box is no false alarm.",
        low=0.0,
        high=1.0,
    )
    distance_edges_m: tuple[float, ...] = param(
        (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0),
        "Edges of the distance bins of the recall plot, ascending.",
        unit="m",
        low=0.0,
    )

    def __post_init__(self) -> None:
        # super() without arguments is lost in dataclasses with slots
        StepConfig.__post_init__(self)
        for pair in self.neighbours:
            if pair.count(":") != 1:
                raise ConfigError(f"neighbours: '{pair}' is not of the form class:neighbour")
        edges = self.distance_edges_m
        if len(edges) < 2 or any(a >= b for a, b in pairwise(edges)):
            raise ConfigError(f"distance_edges_m: {list(edges)} is not ascending")

    @property
    def threshold(self) -> float:
        """Least similarity of a hit."""
        return self.iou_threshold if self.similarity.startswith("iou") else _HALF_WAY

    @property
    def rule(self) -> str:
        """What counts as a hit and as a false alarm, in words."""
        hit = {
            "iou_3d": f"3-D IoU of at least {self.iou_threshold:g}",
            "iou_bev": f"IoU from above of at least {self.iou_threshold:g}",
            "distance_bev": f"centre within {self.match_distance_m:g} m in the ground plane",
            "distance_3d": f"centre within {self.match_distance_m:g} m",
        }[self.similarity]
        return hit if self.unknown_is_false else f"{hit} (unknown things are no false alarms)"

    def neighbours_of(self, class_name: str) -> frozenset[str]:
        """Classes whose truth is ignored when ``class_name`` is scored."""
        pairs = (pair.split(":") for pair in self.neighbours)
        return frozenset(other for name, other in pairs if name == class_name)
