"""Fusion over time: pairs what belongs together, looks up where the sensors were, fuses.

LiDAR frames lead and image detections join the nearest one. Where no LiDAR speaks, or while it is
silent, depth images lead and lift the detections. Each sensor may be missing.
"""

from __future__ import annotations

from perception_stack.datatypes import Boxes3D, DepthImage, Detections2D
from perception_stack.errors import PerceptionError
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.fusion import Fusion
from perception_stack.fusion.pairing import Companion, PairedSet, Pairing
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.journal import Journal, Reason

DETECTIONS, CLUSTERS, DEPTH = "detections", "clusters", "depth"


def detections_pairing(reference: str, config: FusionConfig, journal: Journal) -> Pairing:
    """Pairing of a reference stream with the detections of the camera."""
    # a depth image is the camera's own and shares the offset of its clock
    offset_s = config.camera_offset_s if reference == CLUSTERS else 0.0
    companion = Companion(name=DETECTIONS, tolerance_s=config.tolerance_s, offset_s=offset_s)
    return Pairing(
        reference,
        (companion,),
        timeout_s=config.timeout_s,
        queue_size=config.queue_size,
        reset_s=config.reset_s,
        journal=journal,
    )


class FusionStage:
    """Boxes of LiDAR frames, 2-D detections and depth images in; fused 3-D boxes out.

    Every ``push`` returns what can be decided now, in stamp order. Arrival times order nothing:
    they only say when to stop waiting.

    Args:
        config: Parameters of the fusion step.
        frames: Where the sensors are.
        journal: Told of everything dropped.
    """

    def __init__(self, config: FusionConfig, frames: FrameTree, journal: Journal) -> None:
        self._frames = frames
        self._journal = journal
        self._fusion = Fusion(config, journal)
        self._camera: CameraModel | None = None
        self._lidar_leads = detections_pairing(CLUSTERS, config, journal)
        self._depth_leads = detections_pairing(DEPTH, config, journal)
        self._silence_ns = round(config.lidar_silence_s * 1e9)
        self._newest_clusters_ns: int | None = None

    def warm_up(self) -> None:
        """Load what the first frame would otherwise have to wait for."""
        import scipy.optimize  # noqa: F401

    def set_camera(self, camera: CameraModel) -> None:
        """Intrinsics of the camera that the detections and depth images come from."""
        self._camera = camera

    def expect_detections(self, expected: bool) -> None:
        """Say whether anybody detects in images; what nobody sends is not waited for."""
        self._lidar_leads.expect(DETECTIONS, expected)
        self._depth_leads.expect(DETECTIONS, expected)

    def push_clusters(self, boxes: Boxes3D, *, arrival_ns: int) -> list[Boxes3D]:
        """LiDAR boxes of one scan."""
        self._newest_clusters_ns = boxes.stamp_ns
        sets = self._lidar_leads.push(CLUSTERS, boxes.stamp_ns, boxes, arrival_ns=arrival_ns)
        return self._fuse_all(sets)

    def push_detections(self, detections: Detections2D, *, arrival_ns: int) -> list[Boxes3D]:
        """2-D detections of one image."""
        stamp_ns = detections.stamp_ns
        sets = self._lidar_leads.push(DETECTIONS, stamp_ns, detections, arrival_ns=arrival_ns)
        depth_sets = self._depth_leads.push(
            DETECTIONS, stamp_ns, detections, arrival_ns=arrival_ns
        )
        return self._fuse_all(sets) + self._lift_all(depth_sets)

    def push_depth(self, depth: DepthImage, *, arrival_ns: int) -> list[Boxes3D]:
        """One depth image."""
        sets = self._depth_leads.push(DEPTH, depth.stamp_ns, depth, arrival_ns=arrival_ns)
        return self._lift_all(sets)

    def expire(self, now_ns: int) -> list[Boxes3D]:
        """What has waited too long for a partner, at an arrival time of now."""
        fused = self._fuse_all(self._lidar_leads.expire(now_ns))
        return fused + self._lift_all(self._depth_leads.expire(now_ns))

    def flush(self) -> list[Boxes3D]:
        """Everything that still waits; nothing more will come."""
        return self._fuse_all(self._lidar_leads.flush()) + self._lift_all(
            self._depth_leads.flush()
        )

    def _fuse_all(self, sets: list[PairedSet]) -> list[Boxes3D]:
        return [self._fuse(one.reference, one.companions[DETECTIONS]) for one in sets]

    def _fuse(self, boxes: Boxes3D, detections: Detections2D | None) -> Boxes3D:
        """LiDAR boxes with what the camera says of them; without, if that cannot be had."""
        if detections is None:
            return boxes
        if self._camera is None:
            self._no_camera(boxes.stamp_ns)
            return boxes
        try:
            # both sensors sit on one rigid body, so its pose between the two stamps does not enter
            camera_from_boxes = self._frames.lookup(
                self._camera.frame_id, boxes.frame_id, boxes.stamp_ns
            )
            return self._fusion.fuse(
                boxes, detections, camera=self._camera, camera_from_boxes=camera_from_boxes
            )
        except PerceptionError as error:
            self._journal.count_error(error, stamp_ns=boxes.stamp_ns, where=CLUSTERS)
            return boxes

    def _lift_all(self, sets: list[PairedSet]) -> list[Boxes3D]:
        lifted = []
        for one in sets:
            newest = self._newest_clusters_ns
            if newest is not None and one.stamp_ns - newest < self._silence_ns:
                continue  # the LiDAR leads
            if self._camera is None:
                self._no_camera(one.stamp_ns)
                continue
            detections = one.companions[DETECTIONS]
            if detections is None:
                # nobody looked: not the same as having seen nothing
                continue
            try:
                lifted.append(self._fusion.lift(detections, one.reference, camera=self._camera))
            except PerceptionError as error:
                self._journal.count_error(error, stamp_ns=one.stamp_ns, where=DEPTH)
        return lifted

    def _no_camera(self, stamp_ns: int) -> None:
        detail = "detections wait for a first camera_info"
        self._journal.count(Reason.NO_CALIBRATION, stamp_ns=stamp_ns, detail=detail)
