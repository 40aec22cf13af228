"""Fusion over time: pairs what belongs together, looks up where the sensors were, fuses.

LiDAR frames lead; the detections of every camera and what the depth camera found join the nearest
one. Where no LiDAR speaks, or while it is silent, the depth camera leads. Each sensor may be
missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, Detections2D, LabelImage, Obstacles, PointCloud
from perception_stack.errors import FrameMismatchError, PerceptionError
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.fusion import Fusion
from perception_stack.fusion.joining import join_boxes
from perception_stack.fusion.pairing import Companion, PairedSet, Pairing
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline.masked_detections import MaskedDetections
from perception_stack.pipeline.sensor_placement import FusionFrame, Placement, SensorPlacement
from perception_stack.pipeline.transform_queue import TransformQueue

LIDAR, DEPTH = "lidar", "depth"
_BOXES, _POINTS = "boxes", "points"


@dataclass(frozen=True, slots=True)
class _Lane:
    """The way of one sensor's obstacles: joined with their points, paired, looked up."""

    joining: Pairing
    pairing: Pairing
    located: TransformQueue[FusionFrame, Placement]


class FusionStage:
    """Obstacles of LiDAR and depth camera and 2-D detections in; fused 3-D boxes out.

    Every call returns what can be decided now, in stamp order. Arrival times order nothing: they
    only say when to stop waiting.

    Args:
        config: Parameters of the fusion step.
        frames: Where the sensors are.
        journal: Told of everything dropped.
    """

    def __init__(self, config: FusionConfig, frames: FrameTree, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._fusion = Fusion(config, journal)
        self._models: dict[str, CameraModel] = {}
        self._placement = SensorPlacement(config, frames, self._models)
        cameras = [
            Companion(name=name, tolerance_s=config.tolerance_s, offset_s=offset_s)
            for name, offset_s in config.cameras_with_offset_s
        ]
        depth = Companion(name=DEPTH, tolerance_s=config.tolerance_s)
        self._lanes = {
            LIDAR: self._lane(LIDAR, (*cameras, depth)),
            # a depth image is the camera's own and shares the offset of its clock
            DEPTH: self._lane(DEPTH, [replace(one, offset_s=0.0) for one in cameras]),
        }
        self._masks = {one.name: MaskedDetections(config, journal) for one in cameras}
        self._silence_ns = round(config.lidar_silence_s * 1e9)
        self._newest_lidar_ns: int | None = None

    def warm_up(self) -> None:
        """Load and compile what the first frame would otherwise have to wait for."""
        self._fusion.warm_up()

    def set_camera(self, camera: CameraModel, *, name: str = "camera") -> None:
        """Intrinsics of a camera."""
        self._models[name] = camera

    def expect_detections(self, expected: bool, *, camera: str = "camera") -> None:
        """Say whether anybody detects in a camera's images; what nobody sends is not waited for.

        All that can be expected is, at first, but masks.
        """
        for lane in self._lanes.values():
            lane.pairing.expect(camera, expected)

    def expect_masks(self, expected: bool, *, camera: str = "camera") -> None:
        """Say whether masks come with a camera's detections."""
        self._masks[camera].expect(expected)

    def expect_points(self, expected: bool, *, sensor: str = LIDAR) -> None:
        """Say whether points come with the boxes of a sensor."""
        self._lanes[sensor].joining.expect(_POINTS, expected)

    def expect_depth(self, expected: bool) -> None:
        """Say whether a depth camera finds obstacles."""
        self._lanes[LIDAR].pairing.expect(DEPTH, expected)

    def push_boxes(self, boxes: Boxes3D, *, sensor: str = LIDAR, arrival_ns: int) -> list[Boxes3D]:
        """Boxes of one frame of a sensor; their points come by :meth:`push_points`."""
        joining = self._lanes[sensor].joining
        sets = joining.push(_BOXES, boxes.stamp_ns, boxes, arrival_ns=arrival_ns)
        return self._join_all(sensor, sets, arrival_ns)

    def push_points(
        self,
        points: PointCloud,
        box_of_point: NDArray[np.int32],
        *,
        sensor: str = LIDAR,
        arrival_ns: int,
    ) -> list[Boxes3D]:
        """Points of one frame of a sensor, and the box each belongs to."""
        joining, item = self._lanes[sensor].joining, (points, box_of_point)
        sets = joining.push(_POINTS, points.stamp_ns, item, arrival_ns=arrival_ns)
        return self._join_all(sensor, sets, arrival_ns)

    def push_obstacles(
        self, obstacles: Obstacles, *, sensor: str = LIDAR, arrival_ns: int
    ) -> list[Boxes3D]:
        """Boxes and points of one frame of a sensor."""
        if sensor == LIDAR:
            self._newest_lidar_ns = obstacles.stamp_ns
        pairing = self._lanes[sensor].pairing
        sets = pairing.push(sensor, obstacles.stamp_ns, obstacles, arrival_ns=arrival_ns)
        return self._fuse_all(sensor, sets, arrival_ns)

    def push_detections(
        self, detections: Detections2D, *, camera: str = "camera", arrival_ns: int
    ) -> list[Boxes3D]:
        """2-D detections of one image."""
        masked = self._masks[camera].push_detections(detections, arrival_ns=arrival_ns)
        return self._pair_detections(camera, masked, arrival_ns)

    def push_mask(
        self, mask: LabelImage, *, stamp_ns: int, camera: str = "camera", arrival_ns: int
    ) -> list[Boxes3D]:
        """Which pixel of one image belongs to which detection."""
        masked = self._masks[camera].push_mask(mask, stamp_ns=stamp_ns, arrival_ns=arrival_ns)
        return self._pair_detections(camera, masked, arrival_ns)

    def ready(self, now_ns: int) -> list[Boxes3D]:
        """What a transform that came since makes possible, at an arrival time of now."""
        return [boxes for sensor in (DEPTH, LIDAR) for boxes in self._located(sensor, now_ns)]

    def expire(self, now_ns: int) -> list[Boxes3D]:
        """What has waited too long for a partner, at an arrival time of now."""
        return self._drain(lambda pairing: pairing.expire(now_ns), now_ns)

    def flush(self) -> list[Boxes3D]:
        """Everything that still waits; nothing more will come."""
        return self._drain(lambda pairing: pairing.flush(), None)

    def _lane(self, sensor: str, companions: Sequence[Companion]) -> _Lane:
        return _Lane(
            joining=self._exactly(_BOXES, _POINTS),
            pairing=self._pairing(sensor, companions),
            located=TransformQueue(
                self._placement.find, self._journal, timeout_s=self._config.transform_timeout_s
            ),
        )

    def _exactly(self, reference: str, companion: str) -> Pairing:
        """Pairing of what one sender says of one frame in two messages."""
        return self._pairing(reference, (Companion(name=companion, tolerance_s=0.0),))

    def _pairing(self, reference: str, companions: Iterable[Companion]) -> Pairing:
        config = self._config
        return Pairing(
            reference,
            tuple(companions),
            timeout_s=config.timeout_s,
            queue_size=config.queue_size,
            reset_s=config.reset_s,
            journal=self._journal,
        )

    def _drain(
        self, take: Callable[[Pairing], list[PairedSet]], now_ns: int | None
    ) -> list[Boxes3D]:
        fused = []
        for camera, masks in self._masks.items():
            fused += self._pair_detections(camera, masks.take(take), now_ns)
        # what the depth camera finds may still join the LiDAR's
        for sensor in (DEPTH, LIDAR):
            lane = self._lanes[sensor]
            fused += self._join_all(sensor, take(lane.joining), now_ns)
            fused += self._fuse_all(sensor, take(lane.pairing), now_ns)
        return fused

    def _join_all(self, sensor: str, sets: list[PairedSet], now_ns: int | None) -> list[Boxes3D]:
        fused = []
        for one in sets:
            obstacles = self._joined(one.reference, one.companions[_POINTS])
            fused += self.push_obstacles(obstacles, sensor=sensor, arrival_ns=now_ns or 0)
        return fused

    def _joined(
        self, boxes: Boxes3D, points: tuple[PointCloud, NDArray[np.int32]] | None
    ) -> Obstacles:
        if points is None:
            return Obstacles.of(boxes)
        cloud, box_of_point = points
        try:
            if cloud.frame_id != boxes.frame_id:
                raise FrameMismatchError(
                    "obstacle points", expected=boxes.frame_id, received=cloud.frame_id
                )
            return Obstacles(boxes=boxes, xyz_m=cloud.xyz_m, box_of_point=box_of_point)
        except PerceptionError as error:
            self._journal.count_error(error, stamp_ns=boxes.stamp_ns, where="obstacle points")
            return Obstacles.of(boxes)

    def _pair_detections(
        self, camera: str, masked: list[Detections2D], now_ns: int | None
    ) -> list[Boxes3D]:
        fused = []
        for one in masked:
            for sensor in (DEPTH, LIDAR):
                paired = self._lanes[sensor].pairing.push(
                    camera, one.stamp_ns, one, arrival_ns=now_ns or 0
                )
                fused += self._fuse_all(sensor, paired, now_ns)
        return fused

    def _fuse_all(self, sensor: str, sets: list[PairedSet], now_ns: int | None) -> list[Boxes3D]:
        queue = self._lanes[sensor].located
        for one in sets:
            queue.push(self._frame(one), stamp_ns=one.stamp_ns, arrival_ns=now_ns or 0)
        return self._located(sensor, now_ns)

    def _frame(self, one: PairedSet) -> FusionFrame:
        seen: dict[str, Detections2D] = {}
        for name in self._masks:
            detections = one.companions[name]
            if detections is None:
                continue
            camera = self._models.get(name)
            if camera is None:
                detail = f"detections of {name} wait for a first camera_info"
                self._journal.count(Reason.NO_CALIBRATION, stamp_ns=one.stamp_ns, detail=detail)
            elif detections.frame_id != camera.frame_id:
                error = FrameMismatchError(
                    "2-D detections", expected=camera.frame_id, received=detections.frame_id
                )
                self._journal.count_error(error, stamp_ns=one.stamp_ns, where="detections")
            else:
                seen[name] = detections
        return FusionFrame(one.reference, seen, one.companions.get(DEPTH))

    def _located(self, sensor: str, now_ns: int | None) -> list[Boxes3D]:
        fused: list[Boxes3D] = []
        for frame, found in self._lanes[sensor].located.ready(now_ns):
            boxes = self._fuse(frame, found or self._placement.find_some(frame))
            if sensor == DEPTH and self._lidar_speaks(boxes.stamp_ns):
                lidar = self._lanes[LIDAR].pairing
                sets = lidar.push(DEPTH, boxes.stamp_ns, boxes, arrival_ns=now_ns or 0)
                fused += self._fuse_all(LIDAR, sets, now_ns)
            else:
                fused.append(boxes)
        return fused

    def _lidar_speaks(self, stamp_ns: int) -> bool:
        newest_ns = self._newest_lidar_ns
        return newest_ns is not None and stamp_ns - newest_ns < self._silence_ns

    def _fuse(self, frame: FusionFrame, found: Placement) -> Boxes3D:
        """Boxes with what the other sensors say of them; without, if that cannot be had."""
        boxes = frame.obstacles.boxes
        try:
            if found.views:
                up = self._placement.up(frame.obstacles)
                boxes = self._fusion.fuse(frame.obstacles, found.views, up=up)
            if frame.depth is not None and found.obstacles_from_depth is not None:
                depth = transform_boxes(frame.depth, found.obstacles_from_depth)
                boxes = join_boxes(boxes, replace(depth, stamp_ns=boxes.stamp_ns))
        except PerceptionError as error:
            self._journal.count_error(error, stamp_ns=boxes.stamp_ns, where="fusion")
        return boxes
