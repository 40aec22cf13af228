"""The fusion step: what cameras say of the obstacles that another sensor measured.

:meth:`Fusion.fuse` brings 2-D detections and obstacle points together: which points are which
object, how large its hidden sides are, what it is, and whether it is there at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from perception_stack.datatypes import (
    UNKNOWN,
    Boxes3D,
    Detections2D,
    FloatArray,
    Obstacles,
    check_shape,
)
from perception_stack.errors import FrameMismatchError
from perception_stack.fusion import belief
from perception_stack.fusion.association import (
    Rays,
    View,
    assign,
    count_rays,
    hidden_from,
    view_of,
)
from perception_stack.fusion.bodies import Bodies
from perception_stack.fusion.choice import choose_assigned, choose_free
from perception_stack.fusion.claims import claim
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.readings import Reader
from perception_stack.fusion.sight import CameraView, sight_of
from perception_stack.fusion.update import one_of_each, refitted, settled
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform, level_from
from perception_stack.journal import Journal, Reason
from perception_stack.shape.size_classes import CLASSES


class Fusion:
    """Brings the sensors of one instant together.

    Args:
        config: Gates and the stated sensor models.
        journal: Gets a reason for everything that could not be brought together.
    """

    def __init__(self, config: FusionConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        pairs = [one.split(":") for one in config.camera_aliases]
        self._naming = belief.Naming(
            aliases=tuple((label, alias) for label, alias in pairs),
            alias_share=config.alias_share,
        )

    def warm_up(self) -> None:
        """Compile everything, which would otherwise hold up the first frame for seconds."""
        step = np.linspace(-1, 1, 20, dtype=np.float32)
        xyz_m = np.stack([step, step**2, np.full_like(step, 5)], axis=1)
        camera = CameraModel.pinhole(
            frame_id="", width_px=100, height_px=100, k=np.diag([100.0, 100.0, 1.0])
        )
        detections = Detections2D(
            frame_id="",
            stamp_ns=0,
            xyxy_px=np.array([[0.0, 0.0, 100.0, 100.0]]),
            score=np.array([0.5]),
            labels=(UNKNOWN,),
        )
        nowhere = RigidTransform(
            target="", source="", rotation=np.eye(3), translation_m=np.zeros(3)
        )
        view = CameraView(
            name="camera", camera=camera, detections=detections, camera_from_obstacles=nowhere
        )
        obstacles = Obstacles(
            boxes=Boxes3D.empty(frame_id="", stamp_ns=0),
            xyz_m=xyz_m,
            box_of_point=np.full(len(xyz_m), -1, dtype=np.int32),
        )
        Fusion(self._config, Journal()).fuse(obstacles, (view,), up=np.array([0.0, -1.0, 0.0]))

    def fuse(
        self, obstacles: Obstacles, views: Sequence[CameraView], *, up: FloatArray
    ) -> Boxes3D:
        """Boxes of the obstacles with what the cameras add, one camera after the other.

        A cluster that a detection belongs to gains existence and class, and its box is fitted anew
        with the size of its class: to all its points, or to those in the 2-D box where more than
        one thing is joined, or together with further clusters where the thing fell to pieces. A
        detection without a cluster makes a box of what stands free in its frustum. A box in full
        view without a detection loses existence and class, as far as the detector knows its class
        and could have seen it; one in view of no camera stays as it is.

        Args:
            obstacles: N boxes and their points; where no points are known, only the belief in
                each box changes.
            views: One for each camera that looked.
            up: float64 [3], unit vector in the obstacles' frame; their sensor is at its origin.

        Returns:
            The boxes in the frame they came in: those of the obstacles in their order, without
            those that became a part of another, then new ones. ``sensors`` of those that a camera
            saw gain its name. Detections without a box are counted.

        Raises:
            FrameMismatchError: obstacles, transforms, detections and cameras do not fit together.
            ShapeError: a mask has not the size of its image.
            CalibrationError: ``up`` is not a unit vector.
        """
        check_shape("up", up, 3)
        for view in views:
            _check_frame(view.detections, view.camera)
        level = level_from(obstacles.frame_id, up)
        is_level = np.array_equal(level.rotation, np.eye(3))
        bodies = self._bodies(obstacles, views, level)
        for view in views:
            camera_from_bodies = view.camera_from_obstacles @ level.inverse()
            bodies = self._look(bodies, replace(view, camera_from_obstacles=camera_from_bodies))
        if len(views) > 1:
            bodies = one_of_each(bodies, sized=self._config.amodal_completion)
        num_hidden = int(np.count_nonzero(~bodies.watched))
        detail = f"{num_hidden} of {len(bodies)} boxes outside of every image"
        self._journal.count(
            Reason.OUT_OF_VIEW, stamp_ns=obstacles.stamp_ns, detail=detail, num=num_hidden
        )
        probs = belief.without_negligible(bodies.boxes.class_probs)
        boxes = replace(bodies.boxes, class_probs=probs)
        return boxes if is_level else transform_boxes(boxes, level.inverse())

    def _bodies(
        self, obstacles: Obstacles, views: Sequence[CameraView], level: RigidTransform
    ) -> Bodies:
        """The obstacles before any camera has looked, in a level frame."""
        boxes = obstacles.boxes
        labels = [label for view in views for label in view.detections.labels]
        wanted = (*self._config.camera_classes, *labels)
        probs, classes = belief.widened(boxes.class_probs, boxes.classes, wanted)
        boxes = replace(boxes, class_probs=probs, classes=classes)
        is_level = np.array_equal(level.rotation, np.eye(3))
        return Bodies(
            boxes=boxes if is_level else transform_boxes(boxes, level),
            xyz_m=np.ascontiguousarray(
                obstacles.xyz_m if is_level else level.apply(obstacles.xyz_m)
            ),
            row_of_point=obstacles.box_of_point,
            likelihood=np.ones((len(boxes), len(CLASSES))),
            watched=np.zeros(len(boxes), dtype=np.bool_),
            ranging=boxes.sensors[0] if len(boxes) else ("lidar",),
        )

    def _look(self, bodies: Bodies, view: CameraView) -> Bodies:
        """The bodies after one more camera; its transform is from their frame."""
        detections, config, naming = view.detections, self._config, self._naming
        appearance = view_of(bodies.boxes, view.camera, view.camera_from_obstacles)
        sight = sight_of(bodies.xyz_m, view)
        hidden = hidden_from(appearance, sight, bodies.row_of_point)
        appearance = replace(appearance, hidden=hidden)
        rays = count_rays(sight, bodies.row_of_point, len(bodies))
        pairs = assign(
            appearance,
            detections.xyxy_px,
            rays.overlap,
            detections.score,
            min_overlap=config.min_iou,
        )
        reader = Reader(bodies, view, sight, rays, pairs, min_points=config.min_object_points)
        readings = [reader.of_assigned(one) for one in pairs]
        assigned = choose_assigned(readings, bodies, detections, naming)
        reader.settle(assigned)
        free = [one for i in range(len(detections)) if i not in pairs for one in reader.of_free(i)]
        chosen = choose_free(
            free, assigned, bodies, detections, naming, min_overlap=config.min_iou
        )
        said = naming.likelihood(detections.labels, detections.score, CLASSES)
        claims = claim(chosen, bodies, pairs, min_points=config.min_object_points)
        grown, touched = refitted(
            bodies,
            claims.row_of_point,
            likelihood=claims.likelihood(bodies.likelihood, said),
            new_ground_m=claims.new_ground_m,
            chosen=list(claims.detection),
            sized=config.amodal_completion,
        )
        boxes = self._believed(grown.boxes, view, appearance, claims.detection)
        watched = grown.watched.copy()
        watched[: len(bodies)] |= appearance.in_view
        self._count_alone(bodies.boxes.stamp_ns, detections, rays, set(claims.detection.values()))
        grown = replace(grown, boxes=boxes, watched=watched)
        after = settled(grown, touched, np.array(list(claims.detection), dtype=np.intp))
        num_gone = len(grown) - len(after)
        detail = f"{num_gone} of {len(grown)} clusters are part of another object"
        self._journal.count(Reason.DUPLICATE, stamp_ns=boxes.stamp_ns, detail=detail, num=num_gone)
        return after

    def _believed(
        self, boxes: Boxes3D, view: CameraView, appearance: View, detection: dict[int, int]
    ) -> Boxes3D:
        """The boxes with what the camera says of existence and class; new ones are the last."""
        detections = view.detections
        said = self._naming.likelihood(detections.labels, detections.score, boxes.classes)
        rows = np.array(list(detection), dtype=np.intp)
        of_row = np.array(list(detection.values()), dtype=np.intp)
        existence, probs = boxes.score.copy(), boxes.class_probs.copy()
        existence[rows], probs[rows] = belief.seen(
            existence[rows],
            probs[rows],
            likelihood=said[of_row],
            score=detections.score[of_row],
        )
        unseen = appearance.in_view.copy()
        unseen[rows[rows < len(unseen)]] = False
        lost = np.flatnonzero(unseen)
        existence[lost], probs[lost] = belief.missed(
            existence[lost], probs[lost], self._recall(appearance, boxes.classes)[lost]
        )
        sensors = list(boxes.sensors)
        for row in detection:
            sensors[row] = tuple(sorted({*sensors[row], view.name}))
        return replace(boxes, score=existence, class_probs=probs, sensors=tuple(sensors))

    def _count_alone(
        self, stamp_ns: int, detections: Detections2D, rays: Rays, used: set[int]
    ) -> None:
        alone = [i for i in range(len(detections)) if i not in used]
        if not alone:
            return
        best = max(alone, key=lambda i: detections.score[i])
        detail = (
            f"no object for {len(alone)} of {len(detections)} 2-D boxes, the best a "
            f"{detections.labels[best]} of score {detections.score[best]:.2f} with "
            f"{rays.through_box[best]} obstacle points inside"
        )
        self._journal.count(Reason.NO_DEPTH, stamp_ns=stamp_ns, detail=detail, num=len(alone))

    def _recall(self, view: View, classes: tuple[str, ...]) -> FloatArray:
        """Probability that each box, if of each class, would have been detected, [N, C]."""
        known = self._naming.meaning(self._config.camera_classes, classes).max(axis=0, initial=0)
        known[classes.index(UNKNOWN)] = 0.0
        height_px = np.nan_to_num(view.xyxy_px[:, 3] - view.xyxy_px[:, 1])
        clear = (1 - view.hidden) * np.clip(height_px / self._config.min_height_px, 0, 1)
        recall: FloatArray = self._config.camera_recall * clear[:, None] * known
        return recall


def _check_frame(detections: Detections2D, camera: CameraModel) -> None:
    if detections.frame_id != camera.frame_id:
        raise FrameMismatchError(
            "2-D detections", expected=camera.frame_id, received=detections.frame_id
        )
