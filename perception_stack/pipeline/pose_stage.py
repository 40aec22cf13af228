"""Pose estimation over time: which depth image is looked at for what, and when.

By default depth images are joined with the detections of the same image; else each frame is
searched, or the newest one when somebody asks. A depth image of a camera of its own is brought to
the pixels of the colour image first. What was found can be followed in the frames that come.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import DepthImage, Detections2D, LabelImage, PointCloud
from perception_stack.depth.registration import register
from perception_stack.errors import (
    CalibrationError,
    DecodeError,
    PerceptionError,
    TransformUnavailableError,
)
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.pairing import Companion, PairedSet, Pairing
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline.masked_detections import MaskedDetections
from perception_stack.pipeline.pose_requests import PendingImage, check_mask, region_of_points
from perception_stack.pipeline.transform_queue import TransformQueue
from perception_stack.pose.config import PoseEstimatorConfig, PoseTrackerConfig
from perception_stack.pose.estimates import Found, PoseEstimates, estimates_of
from perception_stack.pose.estimator import PoseEstimator
from perception_stack.pose.scene import Scene
from perception_stack.pose.tracking import PoseTracker

_DEPTH, _DETECTIONS = "depth", "detections"

_Frame = tuple[DepthImage, Detections2D | None]


class PoseStage:
    """Detections and depth images in, 6-DoF poses of known objects out.

    Args:
        config: Parameters of the pose estimator step.
        following: Whether and how what was found is followed.
        pairing: Tolerances by which detections and depth images are joined.
        frames: Where the cameras are.
        journal: Told of everything dropped.
    """

    def __init__(
        self,
        config: PoseEstimatorConfig,
        following: PoseTrackerConfig,
        pairing: FusionConfig,
        frames: FrameTree,
        journal: Journal,
    ) -> None:
        self._frames = frames
        self._journal = journal
        self._masks = MaskedDetections(pairing, journal)
        self._estimator = PoseEstimator(config, journal)
        self._tracker = PoseTracker(following, self._estimator, journal)
        self._following = following
        self._placed = TransformQueue[_Frame, RigidTransform](
            self._fixed_from, journal, timeout_s=following.transform_timeout_s
        )
        self._where = config.where
        self._tolerance_ns = round(1e9 * pairing.tolerance_s)
        self._image: PendingImage | None = None
        self._depth: DepthImage | None = None
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

    def expect_masks(self, expected: bool) -> None:
        """Say whether masks come with the detections."""
        self._masks.expect(expected)

    def warm_up(self) -> None:
        """Compile what the first frame would otherwise have to wait for."""
        self._estimator.warm_up()

    def look_for(self, names: Sequence[str]) -> None:
        """Choose the objects to look for from now on; none: all that are known.

        Raises:
            ConfigError: one is not known; nothing changes then.
        """
        self._estimator.look_for(names)

    def push_image(self, image: PendingImage) -> None:
        """A colour image: for objects with colours, and for outlines where depths say little."""
        self._image = image

    def request(
        self,
        regions: Detections2D | None = None,
        *,
        cluster: PointCloud | None = None,
        names: Sequence[str] = (),
    ) -> PoseEstimates:
        """Poses in the newest depth image, anywhere or at regions of it.

        Args:
            regions: Boxes, or masks of the frame's size; a region of no class (``""``) is that of
                whichever object fits best. None with no cluster: anywhere.
            cluster: Points of one thing, a further region of no class.
            names: What is looked for this time; none: what is looked for anyhow.

        Raises:
            CalibrationError: no depth image or camera is known yet.
            ConfigError: one of the names is not known.
            FrameMismatchError: the regions are of another frame.
            ShapeError: the mask is not of the frame's size.
            TransformUnavailableError: it is not known where the cluster is.
        """
        if self._depth is None or self._camera is None:
            raise CalibrationError("poses were asked for before a depth image and camera_info")
        scene = self._scene(self._depth, self._camera)
        asked = [] if regions is None else [regions]
        if cluster is not None:
            place = self._frames.lookup(scene.frame_id, cluster.frame_id, cluster.stamp_ns)
            points_m = place.apply(cluster.xyz_m.astype(np.float64))
            asked.append(region_of_points(points_m, scene))
        for one in asked:
            check_mask(one, scene)
        with self._estimator.looking_for(names or self._estimator.active):
            if asked:
                found = [each for one in asked for each in self._estimator.find(one, scene)]
            else:
                found = self._estimator.find_anywhere(scene)
        if self._following.follow:
            self._start(found, scene)
        return estimates_of(found, frame_id=scene.frame_id, stamp_ns=scene.stamp_ns)

    def push_detections(self, detections: Detections2D, *, arrival_ns: int) -> list[PoseEstimates]:
        """2-D detections of one image."""
        masked = self._masks.push_detections(detections, arrival_ns=arrival_ns)
        return self._pair(masked, arrival_ns)

    def push_mask(
        self, mask: LabelImage, *, stamp_ns: int, arrival_ns: int
    ) -> list[PoseEstimates]:
        """Which pixel of one image belongs to which detection."""
        masked = self._masks.push_mask(mask, stamp_ns=stamp_ns, arrival_ns=arrival_ns)
        return self._pair(masked, arrival_ns)

    def push_depth(self, depth: DepthImage, *, arrival_ns: int) -> list[PoseEstimates]:
        """One depth image."""
        self._depth = depth
        if self._where == "detections":
            return self._estimate_all(
                self._pairing.push(_DEPTH, depth.stamp_ns, depth, arrival_ns=arrival_ns),
                arrival_ns,
            )
        if self._where == "frame" or self._tracker.tracks:
            return self._estimate(depth, None, arrival_ns)
        return []

    def ready(self, now_ns: int | None) -> list[PoseEstimates]:
        """Poses of frames whose place has become known; ``None``: nothing more comes."""
        poses = []
        for (depth, detections), fixed_from_camera in self._placed.ready(now_ns):
            poses += self._try(depth, detections, fixed_from_camera)
        return poses

    def expire(self, now_ns: int) -> list[PoseEstimates]:
        """What has waited too long for a partner, at an arrival time of now."""
        poses = self._pair(self._masks.take(lambda one: one.expire(now_ns)), now_ns)
        poses += self._estimate_all(self._pairing.expire(now_ns), now_ns)
        return poses + self.ready(now_ns)

    def flush(self) -> list[PoseEstimates]:
        """Everything that still waits; nothing more will come."""
        poses = self._pair(self._masks.take(lambda one: one.flush()), 0)
        return poses + self._estimate_all(self._pairing.flush(), 0) + self.ready(None)

    def _pair(self, masked: list[Detections2D], arrival_ns: int) -> list[PoseEstimates]:
        poses = []
        for one in masked if self._where == "detections" else ():
            sets = self._pairing.push(_DETECTIONS, one.stamp_ns, one, arrival_ns=arrival_ns)
            poses += self._estimate_all(sets, arrival_ns)
        return poses

    def _estimate_all(self, sets: list[PairedSet], arrival_ns: int) -> list[PoseEstimates]:
        poses = []
        for one in sets:
            detections = one.companions[_DETECTIONS]
            if detections is not None:
                poses += self._estimate(one.reference, detections, arrival_ns)
        return poses

    def _estimate(
        self, depth: DepthImage, detections: Detections2D | None, arrival_ns: int
    ) -> list[PoseEstimates]:
        """The poses in one depth image, now or when it is known where the camera was."""
        if not self._following.follow:
            return self._try(depth, detections, None)
        self._placed.push((depth, detections), stamp_ns=depth.stamp_ns, arrival_ns=arrival_ns)
        return self.ready(arrival_ns)

    def _try(
        self,
        depth: DepthImage,
        detections: Detections2D | None,
        fixed_from_camera: RigidTransform | None,
    ) -> list[PoseEstimates]:
        """The poses in one depth image, or none, and the reason noted."""
        if self._camera is None:
            detail = "depth images wait for a first camera_info"
            self._journal.count(Reason.NO_CALIBRATION, stamp_ns=depth.stamp_ns, detail=detail)
            return []
        try:
            scene = self._scene(depth, self._camera)
            if fixed_from_camera is not None:
                return [self._followed(scene, detections, fixed_from_camera)]
            if detections is not None:
                return [self._estimator.estimate(detections, scene)]
            return [self._estimator.search(scene)] if self._where == "frame" else []
        except PerceptionError as error:
            self._journal.count_error(error, stamp_ns=depth.stamp_ns, where=_DEPTH)
            return []

    def _followed(
        self, scene: Scene, detections: Detections2D | None, fixed_from_camera: RigidTransform
    ) -> PoseEstimates:
        if detections is not None:
            return self._tracker.update_at(detections, scene, fixed_from_camera)
        if self._where == "frame":
            return self._tracker.update_anywhere(scene, fixed_from_camera)
        return self._tracker.update(scene, fixed_from_camera)

    def _start(self, found: list[Found], scene: Scene) -> None:
        """Follow what was found from now on, if it is known where the camera was."""
        fixed_frame = self._following.fixed_frame
        try:
            place = self._frames.lookup(fixed_frame, scene.frame_id, scene.stamp_ns)
        except TransformUnavailableError as error:
            self._journal.count_error(error, stamp_ns=scene.stamp_ns, where=_DEPTH)
            return
        self._tracker.start(found, place)

    def _fixed_from(self, frame: _Frame) -> RigidTransform:
        """Of the colour camera, at whose pixels depths are looked at."""
        depth, _ = frame
        camera = depth if self._camera is None else self._camera
        return self._frames.lookup(self._following.fixed_frame, camera.frame_id, depth.stamp_ns)

    def _scene(self, depth: DepthImage, camera: CameraModel) -> Scene:
        """The frame of a depth image, with colours where there is an image of its time."""
        bgr = self._colours(camera.frame_id, depth.stamp_ns)
        return Scene.of(self._registered(depth, camera), camera, bgr=bgr)

    def _colours(self, frame_id: str, stamp_ns: int) -> NDArray[np.uint8] | None:
        """The newest image, if it is of that camera and time and can be decoded."""
        image = self._image
        if image is None or image.frame_id != frame_id:
            return None
        if abs(image.stamp_ns - stamp_ns) > self._tolerance_ns:
            return None
        try:
            return image.decode().bgr
        except DecodeError as error:
            self._journal.count_error(error, stamp_ns=image.stamp_ns, where="image")
            return None

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
