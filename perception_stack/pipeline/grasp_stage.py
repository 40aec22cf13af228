"""Grasps over time: joins depth images with poses of known objects and with the tracked list.

Each depth image gives one answer. What stands out of its supports are the objects; those that a
pose explains are known, to the others a shape is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from perception_stack.datatypes import Boxes3D, DepthImage, FloatArray, Grasps, TrackedObjects
from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.depth.detector import WIDEST_GAP, DepthDetector, occluded_shares
from perception_stack.depth.segmentation import Segmentation
from perception_stack.errors import CalibrationError, PerceptionError
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.pairing import Companion, PairedSet, Pairing
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.grasp.planner import GraspPlanner
from perception_stack.grasp.targets import KnownObject
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline import grasp_scene
from perception_stack.pipeline.grasp_list import grasp_list, identified, nothing
from perception_stack.shape.primitives import warm_up

_DEPTH, _POSES, _OBJECTS = "depth", "object_poses", "objects"


class GraspStage:
    """Depth images, and what else is known of the objects, in; grasps out.

    Args:
        config: Parameters of the grasp planner.
        depth: Of the depth detector, which finds the objects.
        pairing: Tolerances by which streams are joined.
        known: Known objects by class name.
        frames: Where the sensors were.
        journal: Told of everything dropped, and why an object has no grasp.
    """

    def __init__(
        self,
        config: GraspPlannerConfig,
        depth: DepthDetectorConfig,
        pairing: FusionConfig,
        *,
        known: Mapping[str, KnownObject],
        frames: FrameTree,
        journal: Journal,
    ) -> None:
        self._most_m = config.max_object_m
        self._approach_m = config.approach_distance_m
        self._noise = depth.depth_noise
        self._known = known
        self._frames = frames
        self._journal = journal
        self._depth = DepthDetector(depth, journal)
        self._planner = GraspPlanner(config, journal)
        self._camera: CameraModel | None = None
        companions = tuple(
            Companion(name=name, tolerance_s=pairing.tolerance_s) for name in (_POSES, _OBJECTS)
        )
        self._pairing = Pairing(
            _DEPTH,
            companions,
            timeout_s=pairing.timeout_s,
            queue_size=pairing.queue_size,
            reset_s=pairing.reset_s,
            journal=journal,
        )
        self.expect_poses(False)
        self.expect_objects(False)

    def warm_up(self) -> None:
        """Compile and load what the first image would wait for."""
        self._depth.warm_up()
        warm_up()
        self._planner.warm_up()

    def expect_poses(self, expected: bool) -> None:
        """Say whether poses of known objects come; what nobody sends is not waited for."""
        self._pairing.expect(_POSES, expected)

    def expect_objects(self, expected: bool) -> None:
        """Say whether the tracked list comes."""
        self._pairing.expect(_OBJECTS, expected)

    def set_camera(self, camera: CameraModel) -> None:
        """Intrinsics of the depth camera."""
        self._camera = camera

    def push_depth(self, depth: DepthImage, *, arrival_ns: int) -> list[Grasps]:
        """One depth image."""
        return self._all(self._pairing.push(_DEPTH, depth.stamp_ns, depth, arrival_ns=arrival_ns))

    def push_poses(self, poses: Boxes3D, *, arrival_ns: int) -> list[Grasps]:
        """Poses of known objects; class and pose are those of the models."""
        return self._all(self._pairing.push(_POSES, poses.stamp_ns, poses, arrival_ns=arrival_ns))

    def push_objects(self, objects: TrackedObjects, *, arrival_ns: int) -> list[Grasps]:
        """The tracked list, which gives objects their identities."""
        return self._all(
            self._pairing.push(_OBJECTS, objects.stamp_ns, objects, arrival_ns=arrival_ns)
        )

    def expire(self, now_ns: int) -> list[Grasps]:
        """What has waited too long for its partners, at an arrival time of now."""
        return self._all(self._pairing.expire(now_ns))

    def flush(self) -> list[Grasps]:
        """Everything that still waits; nothing more will come."""
        return self._all(self._pairing.flush())

    def _all(self, sets: list[PairedSet]) -> list[Grasps]:
        grasps = []
        for one in sets:
            if self._camera is None:
                detail = "depth images wait for a first depth_camera_info"
                self._journal.count(Reason.NO_CALIBRATION, stamp_ns=one.stamp_ns, detail=detail)
                continue
            try:
                found = self._plan(one.reference, self._camera, one.companions[_POSES])
            except PerceptionError as error:
                self._journal.count_error(error, stamp_ns=one.stamp_ns, where=_DEPTH)
                continue
            objects = one.companions[_OBJECTS]
            grasps.append(found if objects is None else self._identified(found, objects))
        return grasps

    def _plan(self, depth: DepthImage, camera: CameraModel, poses: Boxes3D | None) -> Grasps:
        """Grasps of one depth image, in its frame.

        Raises:
            TransformUnavailableError: poses of another camera, and it is not known where that is.
            CalibrationError: the camera's intrinsics are of another camera.
        """
        if camera.frame_id != depth.frame_id:
            text = f"depth of '{depth.frame_id}', depth_camera_info of '{camera.frame_id}'"
            raise CalibrationError(text)
        segmentation = self._depth.segmentation(depth, camera)
        if segmentation is None:
            return nothing(depth)
        points_m = grasp_scene.pixel_points(segmentation, camera)
        segmentation = self._small_enough(segmentation, points_m, depth.stamp_ns)
        num = segmentation.num_objects
        objects = [points_m[segmentation.label == k + 1] for k in range(num)]
        hidden = occluded_shares(segmentation.inverse, segmentation.label, num, WIDEST_GAP)
        plane = grasp_scene.carrier(segmentation.planes, objects)
        support = grasp_scene.support_of(plane)
        items = []
        if poses is not None:
            poses = self._moved(poses, depth)
            items = grasp_scene.known_items(poses, self._known, self._journal)
        is_known = np.zeros(num, dtype=np.bool_)
        for item in items:
            is_known |= grasp_scene.explained(item.target.surfaces[0], objects)
        items += grasp_scene.fitted_items(
            [(objects[k], float(hidden[k])) for k in np.flatnonzero(~is_known)],
            support,
            noise=self._noise,
            stamp_ns=depth.stamp_ns,
            journal=self._journal,
        )
        planned, relations = self._planner.plan(
            [one.target for one in items],
            grasp_scene.surroundings(segmentation, points_m, plane, items),
            support,
            names=[one.label for one in items],
            stamp_ns=depth.stamp_ns,
        )
        approach_m = self._approach_m
        return grasp_list(depth, items, relations, support, planned, approach_m=approach_m)

    def _small_enough(
        self, segmentation: Segmentation, points_m: FloatArray, stamp_ns: int
    ) -> Segmentation:
        """Without the objects that are none to be grasped; they stay in the way."""
        label, large = grasp_scene.without_large(segmentation.label, points_m, self._most_m)
        detail = f"larger than {self._most_m} m"
        self._journal.count(Reason.CLUSTER_TOO_LARGE, stamp_ns=stamp_ns, detail=detail, num=large)
        return replace(segmentation, label=label)

    def _moved(self, boxes: Boxes3D, depth: DepthImage) -> Boxes3D:
        """Boxes in the depth image's frame, where they were at its stamp."""
        if boxes.frame_id == depth.frame_id:
            return boxes
        return transform_boxes(
            boxes, self._frames.lookup(depth.frame_id, boxes.frame_id, depth.stamp_ns)
        )

    def _identified(self, grasps: Grasps, tracked: TrackedObjects) -> Grasps:
        """With the identities of tracked objects, where it is known where those are."""
        try:
            to_scene = self._frames.lookup(grasps.frame_id, tracked.frame_id, grasps.stamp_ns)
        except PerceptionError as error:
            self._journal.count_error(error, stamp_ns=grasps.stamp_ns, where=_OBJECTS)
            return grasps
        return identified(grasps, tracked, to_scene)
