"""Pose estimation over time: joins depth images with the detections of the same image.

A depth image of a camera of its own is brought to the pixels of the colour image first.
"""

from __future__ import annotations

from perception_stack.datatypes import Boxes3D, DepthImage, Detections2D
from perception_stack.depth.registration import register
from perception_stack.errors import CalibrationError, PerceptionError
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.pairing import Companion, PairedSet, Pairing
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.journal import Journal, Reason
from perception_stack.pose.config import PoseEstimatorConfig
from perception_stack.pose.estimator import PoseEstimator

_DEPTH, _DETECTIONS = "depth", "detections"


class PoseStage:
    """Detections and depth images in, 6-DoF poses of known objects out.

    Args:
        config: Parameters of the pose estimator step.
        pairing: Tolerances by which detections and depth images are joined.
        frames: Where the depth camera is, if it is not the colour camera.
        journal: Told of everything dropped.
    """

    def __init__(
        self,
        config: PoseEstimatorConfig,
        pairing: FusionConfig,
        frames: FrameTree,
        journal: Journal,
    ) -> None:
        self._frames = frames
        self._journal = journal
        self._estimator = PoseEstimator(config, journal)
        self._camera: CameraModel | None = None
        self._depth_cameras: dict[str, CameraModel] = {}
        # both are of one camera and share its clock
        companion = Companion(name=_DETECTIONS, tolerance_s=pairing.tolerance_s)
        self._pairing = Pairing(
            _DEPTH,
            (companion,),
            timeout_s=pairing.timeout_s,
            queue_size=pairing.queue_size,
            reset_s=pairing.reset_s,
            journal=journal,
        )

    def set_camera(self, camera: CameraModel) -> None:
        """Intrinsics of the camera that detects."""
        self._camera = camera

    def set_depth_camera(self, camera: CameraModel) -> None:
        """Intrinsics of a depth camera that is not the one that detects."""
        self._depth_cameras[camera.frame_id] = camera

    def push_detections(self, detections: Detections2D, *, arrival_ns: int) -> list[Boxes3D]:
        """2-D detections of one image."""
        stamp_ns = detections.stamp_ns
        return self._estimate_all(
            self._pairing.push(_DETECTIONS, stamp_ns, detections, arrival_ns=arrival_ns)
        )

    def push_depth(self, depth: DepthImage, *, arrival_ns: int) -> list[Boxes3D]:
        """One depth image."""
        return self._estimate_all(
            self._pairing.push(_DEPTH, depth.stamp_ns, depth, arrival_ns=arrival_ns)
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
            detections = one.companions[_DETECTIONS]
            if detections is None:
                continue
            if self._camera is None:
                detail = "detections wait for a first camera_info"
                self._journal.count(Reason.NO_CALIBRATION, stamp_ns=one.stamp_ns, detail=detail)
                continue
            try:
                depth = self._registered(one.reference, self._camera)
                poses.append(self._estimator.estimate(detections, depth, camera=self._camera))
            except PerceptionError as error:
                self._journal.count_error(error, stamp_ns=one.stamp_ns, where=_DEPTH)
        return poses

    def _registered(self, depth: DepthImage, camera: CameraModel) -> DepthImage:
        """The depth image at the pixels of a camera; as it is where it has them already.

        Raises:
            CalibrationError: of another camera whose intrinsics are not known.
            TransformUnavailableError: it is not known where that camera is.
        """
        if depth.frame_id == camera.frame_id:
            return depth
        own = self._depth_cameras.get(depth.frame_id)
        if own is None:
            text = f"depth images of '{depth.frame_id}' wait for a first depth_camera_info"
            raise CalibrationError(text)
        color_from_depth = self._frames.lookup(camera.frame_id, depth.frame_id, depth.stamp_ns)
        return register(depth, own, camera, color_from_depth)
