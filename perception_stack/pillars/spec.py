"""What there is to say about a network on pillars: how it is fed, built and read, and for whom.

A manifest (:mod:`perception_stack.pillars.manifest`) holds one of each; ``config/models/`` has
examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

POINT_FEATURES = (
    "x", "y", "z", "intensity", "age",
    "mean_dx", "mean_dy", "mean_dz", "cell_dx", "cell_dy", "cell_dz",
)  # fmt: skip
"""Columns that a point may be described by; ``mean_d*`` are offsets from the mean of the points
of its pillar, ``cell_d*`` from the pillar's centre, ``age`` is 0: one scan is one instant."""
PICKS = ("first", "even")
HEADINGS = ("yaw", "axis")
BOX_CODE = ("x", "y", "z", "length", "width", "height", "yaw")
CENTER_CODE = ("x", "y", "z", "length", "width", "height", "cos", "sin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """How a scan becomes pillars.

    Attributes:
        range_m: Lowest x, y, z and highest x, y, z, in the model's frame.
        pillar_m: Extent of a pillar along x and y.
        max_points: Most points kept of a pillar.
        max_pillars: Most pillars of a scan, those whose first point comes first.
        pick: Which points of a fuller pillar are kept: the ``first`` ones in the order of the
            scan, as published networks do, or ``even``, spread evenly over that order.
        features: Of a point, names of :data:`POINT_FEATURES`; one may stand more than once.
        intensity_scale: The sensor's intensity is multiplied by it.
    """

    range_m: tuple[float, ...]
    pillar_m: tuple[float, ...]
    max_points: int
    max_pillars: int
    pick: str
    features: tuple[str, ...]
    intensity_scale: float

    @property
    def num_xy(self) -> tuple[int, int]:
        """Pillars along x and y."""
        low_x, low_y, _, high_x, high_y, _ = self.range_m
        along_x, along_y = self.pillar_m
        return round((high_x - low_x) / along_x), round((high_y - low_y) / along_y)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A stage of the backbone: a convolution with a stride, then more of them.

    Attributes:
        stride: Of the first convolution.
        convs: Further convolutions.
        channels: Of each.
    """

    stride: int
    convs: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """How a stage comes to the resolution of the head.

    Attributes:
        scale: Times finer; below 1 times coarser, e.g. 0.5.
        channels: Of its result.
        plain: A scale of 1 by a convolution, not by a transposed one.
    """

    scale: float
    channels: int
    plain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """From pillars to the map that the head reads.

    Attributes:
        pillar_channels: Of each layer of the pillar feature net.
        blocks: The backbone.
        branches: The neck, one for each block.
    """

    pillar_channels: tuple[int, ...]
    blocks: tuple[Block, ...]
    branches: tuple[Branch, ...]

    @property
    def stride(self) -> int:
        """Pillars per cell of the head's map."""
        return round(self.blocks[0].stride / self.branches[0].scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The prior box of a class, at every cell.

    Attributes:
        size_lwh_m: Length, width, height.
        bottom_m: z of its bottom.
        yaw_rad: Directions, one prior box each.
    """

    size_lwh_m: tuple[float, ...]
    bottom_m: float
    yaw_rad: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorHead:
    """Head of PointPillars: every cell corrects the prior boxes of all classes.

    Attributes:
        anchors: One for each class, in the order of the classes.
        align: Where prior boxes stand: in the ``centers`` of cells, or spread from ``corner`` to
            corner of the range.
        direction_offset_rad: A box of direction class d has a yaw of this plus d half turns, plus
            less than a half turn.
    """

    anchors: tuple[Anchor, ...]
    align: str
    direction_offset_rad: float

    @property
    def num_per_cell(self) -> int:
        """Prior boxes of a cell."""
        return sum(len(one.yaw_rad) for one in self.anchors)


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterHead:
    """Head of CenterPoint: every cell says whether an object's centre lies in it.

    Attributes:
        tasks: Number of classes that share the code of a box, task by task.
        shared_channels: Of the convolution that all tasks read.
        channels: Of those within a task.
        convs: Convolutions of each output, the last one included.
        kernel: Their size.
        heading: What a box code says of the direction: cosine and sine of its ``yaw``, or of twice
            the yaw, which is the same for both ends of its ``axis``.
    """

    tasks: tuple[int, ...]
    shared_channels: int
    channels: int
    convs: int
    kernel: int
    heading: str

    @property
    def turns(self) -> int:
        """What the yaw is multiplied by in a code."""
        return HEADINGS.index(self.heading) + 1


Head = AnchorHead | CenterHead


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How boxes are taken from the head's maps.

    Attributes:
        score_threshold: Least score.
        nms_iou: Overlap seen from above beyond which the weaker of two boxes is a duplicate.
        per_class: Whether only boxes of one class can be duplicates of each other.
        candidates: Most boxes looked at, best first.
        max_boxes: Most boxes of a scan.
    """

    score_threshold: float
    nms_iou: float
    per_class: bool
    candidates: int
    max_boxes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """Which LiDARs the network was made for.

    Attributes:
        beams: Fewest and most.
        height_m: Lowest and highest mount above the ground.
        ground_z_m: z of the ground in the model's frame, to which scans are levelled; None for a
            network that takes scans as they come.
    """

    beams: tuple[int, int]
    height_m: tuple[float, float]
    ground_z_m: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Standard deviations of the boxes of one class, as measured against labels.

    Attributes:
        xy_m: Of the centre, along each level axis.
        z_m: Of its height.
        yaw_rad: Of the direction, up to a half turn.
        flipped: Share of the boxes that point the other way.
    """

    xy_m: float
    z_m: float
    yaw_rad: float
    flipped: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything there is to know about one model.

    Attributes:
        name: Of the model.
        file: The model; also names the files of other back ends beside it.
        classes: As the network was trained.
        class_map: Other names for some classes on the way out.
        grid: How a scan becomes pillars.
        trunk: Pillar feature net, backbone, neck.
        head: What reads their map.
        reading: How boxes are taken from the head's maps.
        sensor: Which LiDARs it was made for.
        errors: Of each class, in the order of the classes.
        licence: SPDX identifier of the weights' licence.
        card: The model card.
    """

    name: str
    file: Path
    classes: tuple[str, ...]
    class_map: dict[str, str]
    grid: Grid
    trunk: Trunk
    head: Head
    reading: Reading
    sensor: Sensor
    errors: tuple[Errors, ...]
    licence: str
    card: str

    @property
    def map_size(self) -> tuple[int, int]:
        """Rows (along y) and columns (along x) of the head's maps."""
        num_x, num_y = self.grid.num_xy
        return num_y // self.trunk.stride, num_x // self.trunk.stride

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names as they come out."""
        return tuple(self.class_map.get(one, one) for one in self.classes)


def output_channels(head: Head, num_classes: int) -> Sequence[int]:
    """Channels of each of the head's maps, in their order."""
    if isinstance(head, AnchorHead):
        num = head.num_per_cell
        return num * num_classes, num * len(BOX_CODE), num * 2
    return num_classes, len(head.tasks) * len(CENTER_CODE)
