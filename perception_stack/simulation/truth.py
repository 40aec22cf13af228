"""From what the sensors gave to a whole frame: exact boxes, and what is seen of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import (
    Boxes3D,
    ColorImage,
    DepthImage,
    PointCloud,
)
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.detector import simulate_detections
from perception_stack.simulation.raycast import View
from perception_stack.simulation.scene import SimulatedFrame, Visibility
from perception_stack.simulation.world import BACKGROUND, WORLD, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the truth is to tell.

    Attributes:
        classes: All labels of the scene, so that they are the same in each frame.
        min_points: Points from which an object is countable, or
        min_pixels: pixels from which it is.
    """

    classes: tuple[str, ...]
    min_points: int
    min_pixels: int


def assemble_frame(
    snapshot: Snapshot,
    asked: Asked,
    *,
    image: ColorImage,
    image_view: View,
    ranging: PointCloud | DepthImage,
    range_view: View,
    camera: CameraModel,
    transforms: tuple[RigidTransform, ...],
    rng: np.random.Generator,
) -> SimulatedFrame:
    """The frame with its truth, and what a 2-D detector might find in its image.

    Args:
        snapshot: The world.
        asked: What the truth is to tell.
        image: The colour image.
        image_view: Behind its pixels.
        ranging: The cloud or the depth image.
        range_view: Behind its points or pixels.
        camera: Of the image.
        transforms: Those that are true at this instant only.
        rng: For the detector.
    """
    objects = np.flatnonzero(snapshot.track_ids != BACKGROUND)
    truth = true_boxes(
        snapshot,
        objects,
        (range_view, image_view),
        classes=asked.classes,
        stamp_ns=image.stamp_ns,
    )
    visibility = _visibility(objects, asked, range_view=range_view, image_view=image_view)
    # the last one is what rows without a body, -1, pick
    identities = np.append(snapshot.track_ids, BACKGROUND)
    return SimulatedFrame(
        stamp_ns=image.stamp_ns,
        cloud=ranging if isinstance(ranging, PointCloud) else None,
        image=image,
        depth=ranging if isinstance(ranging, DepthImage) else None,
        camera=camera,
        transforms=transforms,
        truth=truth,
        track_ids=snapshot.track_ids[objects],
        velocity_mps=snapshot.velocities_mps[objects],
        visibility=visibility,
        detections_2d=simulate_detections(truth, visibility, camera, rng),
        point_ids=identities[range_view.rows],
        pixel_ids=identities[image_view.rows],
    )


def true_boxes(
    snapshot: Snapshot,
    objects: NDArray[np.intp],
    views: tuple[View, ...],
    *,
    classes: tuple[str, ...],
    stamp_ns: int,
) -> Boxes3D:
    """Exact boxes in the world's frame, with the sensors that measured something of each.

    Args:
        snapshot: The world.
        objects: int64 [N], rows of the bodies that are objects.
        views: Of all sensors.
        classes: All labels of the scene.
        stamp_ns: Of the boxes.
    """
    bodies = [snapshot.bodies[row] for row in objects]
    num = len(bodies)
    probs = np.zeros((num, len(classes)))
    probs[np.arange(num), [classes.index(body.label) for body in bodies]] = 1.0
    seen = {view.sensor: view.num_measured > 0 for view in views}
    return Boxes3D(
        frame_id=WORLD,
        stamp_ns=stamp_ns,
        center_m=snapshot.positions_m[objects],
        quat_xyzw=snapshot.quats_xyzw[objects],
        size_lwh_m=np.array([body.size_lwh_m for body in bodies]).reshape(-1, 3),
        covariance=np.zeros((num, 6, 6)),
        score=np.ones(num),
        classes=classes,
        class_probs=probs,
        sensors=tuple(tuple(sorted(name for name in seen if seen[name][row])) for row in objects),
    )


def _visibility(
    objects: NDArray[np.intp], asked: Asked, *, range_view: View, image_view: View
) -> Visibility:
    num_points = range_view.num_measured[objects]
    num_pixels = image_view.num_measured[objects]
    first_row, last_row, first_col, last_col = image_view.hits.extent[objects].T
    xyxy_px = np.column_stack([first_col, first_row, last_col, last_row]).astype(np.float64)
    xyxy_px += np.array([-0.5, -0.5, 0.5, 0.5])  # pixels cover half a pixel around their centre
    xyxy_px[last_row < first_row] = np.nan
    return Visibility(
        num_points=num_points,
        num_pixels=num_pixels,
        range_occluded=range_view.occluded[objects],
        image_occluded=image_view.occluded[objects],
        xyxy_px=xyxy_px,
        countable=(num_points >= asked.min_points) | (num_pixels >= asked.min_pixels),
    )
