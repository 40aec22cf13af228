"""Pose estimation over time: joins depth images with the detections of the same image."""

from __future__ import annotations

from perception_stack.datatypes import Boxes3D, DepthImage, Detections2D
from perception_stack.errors import PerceptionError
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.pairing import PairedSet
from perception_stack.geometry.camera import CameraModel
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline.fusion_stage import DEPTH, DETECTIONS, detections_pairing
from perception_stack.pose.config import PoseEstimatorConfig
from perception_stack.pose.estimator import PoseEstimator


class PoseStage:
    """Detections and depth images in, 6-DoF poses of known objects out.

    Args:
        config: Parameters of the pose estimator step.
        pairing: Tolerances by which detections and depth images are joined.
        journal: Told of everything dropped.
    """

    def __init__(
        self, config: PoseEstimatorConfig, pairing: FusionConfig, journal: Journal
    ) -> None:
        self._journal = journal
        self._estimator = PoseEstimator(config, journal)
        self._camera: CameraModel | None = None
        self._pairing = detections_pairing(DEPTH, pairing, journal)

    def set_camera(self, camera: CameraModel) -> None:
        """Intrinsics of the camera that both inputs come from."""
        self._camera = camera

    def push_detections(self, detections: Detections2D, *, arrival_ns: int) -> list[Boxes3D]:
        """2-D detections of one image."""
        stamp_ns = detections.stamp_ns
        return self._estimate_all(
            self._pairing.push(DETECTIONS, stamp_ns, detections, arrival_ns=arrival_ns)
        )

    def push_depth(self, depth: DepthImage, *, arrival_ns: int) -> list[Boxes3D]:
        """One depth image."""
        return self._estimate_all(
            self._pairing.push(DEPTH, depth.stamp_ns, depth, arrival_ns=arrival_ns)
        )

    def expire(self, now_ns: int) -> list[Boxes3D]:
        """What has waited too long for a partner, at an arrival time of now."""
        return self._estimate_all(self._pairing.expire(now_ns))

    def flush(self) -> list[Boxes3D]:
        """Everything that still waits; nothing more will come."""
        return self._estimate_all(self._pairing.flush())

    def _estimate_all(self, sets: list[PairedSet]) -> list[Boxes3D]:
        poses = []
        for one in sets:
            detections = one.companions[DETECTIONS]
            if detections is None:
                continue
            if self._camera is None:
                detail = "detections wait for a first camera_info"
                self._journal.count(Reason.NO_CALIBRATION, stamp_ns=one.stamp_ns, detail=detail)
                continue
            try:
                poses.append(
                    self._estimator.estimate(detections, one.reference, camera=self._camera)
                )
            except PerceptionError as error:
                self._journal.count_error(error, stamp_ns=one.stamp_ns, where=DEPTH)
        return poses
