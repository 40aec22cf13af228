"""What a camera without depth detected, and as which boxes in space that may start tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Detections2D, FloatArray, check_rows
from perception_stack.errors import FrameMismatchError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform, quat_from_yaw
from perception_stack.shape.size_classes import usual_size
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.measurements import FOUND, Measurements
from perception_stack.tracking.space.sight import Sight

CAMERA_SENSOR = "camera"

_BORDER_PX = 2.0
_YAW_RAD = 1.0  # deviation of the heading of something only seen in an image


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraView:
    """Detections in one image, and where the camera was.

    Attributes:
        detections: In pixels of the raw image.
        camera: The camera.
        camera_from_fixed: Where it was at the stamp of the image.
        classes: What the detector knows; it cannot miss what it does not know. Empty: everything.
    """

    detections: Detections2D
    camera: CameraModel
    camera_from_fixed: RigidTransform
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        for received in (self.detections.frame_id, self.camera_from_fixed.target):
            if received != self.camera.frame_id:
                raise FrameMismatchError(
                    "camera view", expected=self.camera.frame_id, received=received
                )
        check_rows("labels", self.detections.labels, len(self.detections))

    @property
    def stamp_ns(self) -> int:
        """Stamp of the image."""
        return self.detections.stamp_ns

    @property
    def sight(self) -> Sight:
        """From where it looked."""
        fixed_from_camera = self.camera_from_fixed.inverse()
        return Sight(
            origin_m=fixed_from_camera.translation_m,
            ahead=np.ascontiguousarray(fixed_from_camera.rotation[:, 2]),
            classes=self.classes,
        )

    @property
    def place(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rotation and translation that take points to the camera; its borders at depth 1."""
        camera_from_fixed, camera = self.camera_from_fixed, self.camera
        whole_px = np.array([[0.0, 0.0, camera.width_px - 1.0, camera.height_px - 1.0]])
        rotation = np.ascontiguousarray(camera_from_fixed.rotation)
        return rotation, camera_from_fixed.translation_m, _edges(whole_px, camera)[0]


def trial_view(fixed_frame: str, *, stamp_ns: int) -> CameraView:
    """One car in the middle of an image, to compile with what images need."""
    frame_id = "camera"
    return CameraView(
        detections=Detections2D(
            frame_id=frame_id,
            stamp_ns=stamp_ns,
            xyxy_px=np.array([[300.0, 220.0, 340.0, 260.0]]),
            score=np.ones(1),
            labels=("car",),
        ),
        camera=CameraModel.pinhole(
            frame_id=frame_id,
            width_px=640,
            height_px=480,
            k=np.array([[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]]),
        ),
        camera_from_fixed=RigidTransform(
            target=frame_id, source=fixed_frame, rotation=np.eye(3), translation_m=np.ones(3)
        ),
        classes=(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rectangles:
    """Usable detections of an image, sorted by what they say.

    Attributes:
        edges: float64 [M, 4], left, top, right, bottom in the image plane at depth 1, undistorted.
        inside: bool [M, 4], whether an edge is inside of the image.
        score: float64 [M].
        class_probs: float64 [M, V], over the tracker's vocabulary.
        rows: int [M], rows of the detections.
    """

    edges: FloatArray
    inside: NDArray[np.bool_]
    score: FloatArray
    class_probs: FloatArray
    rows: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.edges)

    def only(self, mask: NDArray[np.bool_]) -> Rectangles:
        """The rectangles under a mask."""
        return Rectangles(
            edges=self.edges[mask],
            inside=self.inside[mask],
            score=self.score[mask],
            class_probs=self.class_probs[mask],
            rows=self.rows[mask],
        )


def rectangles_of(view: CameraView, vocabulary: tuple[str, ...]) -> Rectangles:
    """Detections that have an area and a score, in an order of their own."""
    detections, camera = view.detections, view.camera
    xyxy_px = detections.xyxy_px
    usable = (xyxy_px[:, 2:] > xyxy_px[:, :2]).all(axis=1) & np.isfinite(xyxy_px).all(axis=1)
    usable &= (detections.score >= 0) & (detections.score <= 1)
    rows = np.flatnonzero(usable)
    column = np.array([vocabulary.index(one) for one in detections.labels], dtype=np.intp)
    keys = (column[rows], detections.score[rows], *xyxy_px[rows].T[::-1])
    rows = rows[np.lexsort(keys)]
    xyxy_px = xyxy_px[rows]
    last_px = np.array([camera.width_px, camera.height_px]) - 1.0
    inside = np.hstack([xyxy_px[:, :2] > _BORDER_PX, xyxy_px[:, 2:] < last_px - _BORDER_PX])
    return Rectangles(
        edges=_edges(xyxy_px, camera),
        inside=inside,
        score=detections.score[rows],
        class_probs=np.eye(len(vocabulary))[column[rows]],
        rows=rows,
    )


def lifted(
    found: Rectangles, view: CameraView, vocabulary: tuple[str, ...], config: TrackerConfig
) -> Measurements:
    """Detections as boxes in space, as far away as things of their class usually are that high.

    Of those that are cut off by the border of the image, or of a class without a usual size,
    nothing can be said; they are left out. The box faces as the camera does, which for road users
    is the direction of the road more often than not; its heading has no vote.
    """
    sizes = {name: usual_size(name) for name in vocabulary}
    labels = [vocabulary[i] for i in np.argmax(found.class_probs, axis=1)]
    told = np.array([sizes[label] is not None for label in labels], dtype=np.bool_)
    told &= found.inside.all(axis=1)
    rows = np.flatnonzero(told)
    table = np.zeros(len(rows), dtype=FOUND)
    fixed_from_camera = view.camera_from_fixed.inverse()
    ahead = fixed_from_camera.rotation[:, 2]
    for f, row in zip(table, rows, strict=True):
        usual = sizes[labels[row]]
        if usual is not None:
            _lift(f, found.edges[row], usual, fixed_from_camera, config)
            f["quat_xyzw"] = quat_from_yaw(np.arctan2(ahead[1], ahead[0]))
            f["score"] = found.score[row]
    return Measurements(
        table=table,
        class_probs=found.class_probs[rows],
        sensors=((CAMERA_SENSOR,),) * len(rows),
    )


def _lift(
    f: np.void,
    edges: FloatArray,
    usual: tuple[FloatArray, FloatArray],
    fixed_from_camera: RigidTransform,
    config: TrackerConfig,
) -> None:
    """Write centre, size and noise of a box that appears as a rectangle."""
    size_m, sigma_m = usual
    high = edges[3] - edges[1]
    depth_m = size_m[2] / high
    ray = np.array([0.5 * (edges[0] + edges[2]), 0.5 * (edges[1] + edges[3]), 1.0])
    range_m = depth_m * float(np.linalg.norm(ray))
    along = ray / np.linalg.norm(ray)
    # the front is nearer than the middle
    center_m = (range_m + 0.5 * size_m[1]) * along
    spread = np.hypot(sigma_m[2] / size_m[2], np.sqrt(2) * config.edge_noise) * range_m
    aside = config.edge_noise * size_m[2]
    noise = aside**2 * np.eye(3) + (spread**2 - aside**2) * np.outer(along, along)
    turn = fixed_from_camera.rotation
    f["center_m"] = fixed_from_camera.apply(center_m[None])[0]
    f["size_lwh_m"] = size_m
    f["noise"][:3, :3] = turn @ noise @ turn.T
    f["noise"][3:, 3:] = np.diag([config.rotation_noise_rad**2] * 2 + [_YAW_RAD**2])
    f["ends_noise_m2"] = sigma_m**2
    f["yaw_variance_rad2"] = np.pi**2


def _edges(xyxy_px: FloatArray, camera: CameraModel) -> FloatArray:
    """Middles of the four edges, at depth 1."""
    middle_px = 0.5 * (xyxy_px[:, :2] + xyxy_px[:, 2:])
    rays = [camera.rays(np.column_stack([xyxy_px[:, k], middle_px[:, 1]])) for k in (0, 2)] + [
        camera.rays(np.column_stack([middle_px[:, 0], xyxy_px[:, k]])) for k in (1, 3)
    ]
    return np.column_stack([rays[0][:, 0], rays[2][:, 1], rays[1][:, 0], rays[3][:, 1]])
