"""The depth step: a depth image in, what stands on tables and floors out, as points and as boxes.

No network and no classes: the depth camera gives obstacles as the LiDAR does, in its own optical
frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import (
    Boxes3D,
    DepthImage,
    Obstacles,
    check_array,
    check_shape,
)
from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.depth.rays import pixel_rays
from perception_stack.depth.segmentation import Segmentation, segment_inverse
from perception_stack.depth.support import UP_IN_CAMERA, Plane, choose_floor, tolerance
from perception_stack.errors import FrameMismatchError
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.transforms import level_from
from perception_stack.journal import Journal, Reason
from perception_stack.shape.upright import Objects, upright_boxes

_PLAUSIBLE_M = (0.03, 200.0)
"""Where the middle depth of an image is, unless its unit is mistaken."""
_EVERY = 16  # pixels looked at for that
WIDEST_GAP = 4
"""Pixels from an outline to what ends it."""
_TILT_RAD, _TILT_UNKNOWN_RAD = 0.03, 0.4


class DepthDetector:
    """What stands out of its supports, by geometry alone.

    Args:
        config: Range, noise, supports and what parts objects.
        journal: Gets a reason for every image, pixel and object left out.
    """

    def __init__(self, config: DepthDetectorConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal

    def warm_up(self) -> None:
        """Compile everything, which would otherwise hold up the first image for seconds."""
        k = np.array([[50.0, 0.0, 31.5], [0.0, 50.0, 23.5], [0.0, 0.0, 1.0]])
        camera = CameraModel.pinhole(frame_id="", width_px=64, height_px=48, k=k)
        depth_m = np.full((48, 64), 1.0, dtype=np.float32)
        depth_m[16:32, 16:32], depth_m[16:32, 32:48] = 0.7, 0.6
        config = DepthDetectorConfig(min_points=4)
        image = DepthImage(frame_id="", stamp_ns=0, depth_m=depth_m)
        DepthDetector(config, Journal()).detect(image, camera)

    def detect(self, depth: DepthImage, camera: CameraModel) -> Obstacles:
        """Obstacles of one depth image.

        Args:
            depth: NaN, zero or infinite where there is no measurement.
            camera: Of the depth image.

        Returns:
            Points and boxes in the camera's frame, the boxes with the sensors ``("depth",)``; none
            where nothing stands out or nothing is measured, which the journal tells apart. Walls
            and whatever else is above the floor are points of no box, thinned.

        Raises:
            ShapeError: the image is not as large as the camera's.
            FrameMismatchError: an image in another frame than the camera's.
        """
        segmentation = self.segmentation(depth, camera)
        if segmentation is None:
            return Obstacles.of(Boxes3D.empty(frame_id=depth.frame_id, stamp_ns=depth.stamp_ns))
        label, num = segmentation.label, segmentation.num_objects
        rays, floor = pixel_rays(camera), choose_floor(segmentation.planes)
        # what belongs to no object comes last
        filed = np.where((label < 0) | self._rises(segmentation, rays, floor), num + 1, label)
        points_m, row, start = _gather(segmentation.inverse, rays, filed, num + 1)
        row[start[num] :] = -1
        level = level_from(depth.frame_id, UP_IN_CAMERA if floor is None else floor.up)
        floor_m = np.nan if floor is None else -1 / float(np.linalg.norm(floor.inverse_m))
        objects = Objects(
            points_m=level.apply(points_m[: start[num]]),
            start=start[: num + 1],
            ground_m=np.full(num, floor_m),
            occluded=occluded_shares(segmentation.inverse, label, num, WIDEST_GAP),
        )
        boxes = upright_boxes(
            objects,
            noise=self._config.depth_noise,
            tilt_rad=_TILT_UNKNOWN_RAD if floor is None else _TILT_RAD,
            frame_id=depth.frame_id,
            stamp_ns=depth.stamp_ns,
        )
        return Obstacles(
            boxes=transform_boxes(boxes, level.inverse()),
            xyz_m=points_m.astype(np.float32),
            box_of_point=row,
        )

    def _rises(
        self, segmentation: Segmentation, rays: NDArray[np.float32], floor: Plane | None
    ) -> NDArray[np.bool_]:
        """Some of the pixels of further supports that rise above the floor, bool [H, W]."""
        rises = np.zeros(segmentation.label.shape, dtype=np.bool_)
        if floor is not None:
            thin = (slice(None, None, self._config.cell_px),) * 2
            inverse, (a, b, c) = segmentation.inverse[thin], floor.inverse_m.astype(np.float32)
            nearer = inverse - (a * rays[(*thin, 0)] + b * rays[(*thin, 1)] + c)
            free = (inverse > 0) & (segmentation.label[thin] == 0)
            rises[thin] = free & (nearer > tolerance(self._config))
        return rises

    def segment(self, depth: DepthImage, camera: CameraModel) -> NDArray[np.int32]:
        """Objects of one depth image as labels of its pixels, int32 [H, W].

        ``i + 1`` where object i is, the largest first; 0 where none is.

        Args:
            depth: As for :meth:`detect`.
            camera: Of the depth image.

        Raises:
            ShapeError: the image is not as large as the camera's.
            FrameMismatchError: an image in another frame than the camera's.
        """
        segmentation = self.segmentation(depth, camera)
        if segmentation is None:
            return np.zeros(depth.depth_m.shape, dtype=np.int32)
        return np.maximum(segmentation.label, 0)

    def segment_organised(
        self, xyz_m: NDArray[np.float32], *, stamp_ns: int = 0
    ) -> NDArray[np.int32]:
        """Objects of an organised cloud, as :meth:`segment` gives them.

        Args:
            xyz_m: float32 [H, W, 3], in the optical frame; NaN where there is no measurement.
            stamp_ns: Of the cloud.

        Raises:
            ShapeError: not [H, W, 3].
        """
        check_array("xyz_m", xyz_m, np.float32, None, None, 3)
        with np.errstate(divide="ignore", invalid="ignore"):
            rays = xyz_m[..., :2] / xyz_m[..., 2:]
        rays = np.where(np.isfinite(rays), rays, np.float32(0))
        rays.flags.writeable = False  # as those of a camera, or it is compiled anew
        segmentation = self._parted(xyz_m[..., 2], rays, stamp_ns)
        if segmentation is None:
            return np.zeros(xyz_m.shape[:2], dtype=np.int32)
        return np.maximum(segmentation.label, 0)

    def segmentation(self, depth: DepthImage, camera: CameraModel) -> Segmentation | None:
        """Objects and supports of one depth image; None for one that cannot be believed.

        Args:
            depth: As for :meth:`detect`.
            camera: Of the depth image.

        Raises:
            ShapeError: the image is not as large as the camera's.
            FrameMismatchError: an image in another frame than the camera's.
        """
        if depth.frame_id != camera.frame_id:
            raise FrameMismatchError(
                "depth image", expected=camera.frame_id, received=depth.frame_id
            )
        check_shape("depth_m", depth.depth_m, camera.height_px, camera.width_px)
        return self._parted(depth.depth_m, pixel_rays(camera), depth.stamp_ns)

    def _parted(
        self, depth_m: NDArray[np.float32], rays: NDArray[np.float32], stamp_ns: int
    ) -> Segmentation | None:
        """Objects of a depth image that can be believed; None for others."""
        config, count = self._config, self._journal.count
        if depth_m.size == 0:
            count(Reason.EMPTY_IMAGE, stamp_ns=stamp_ns, detail="0 pixels")
            return None
        usable = np.isfinite(depth_m) & (depth_m > 0)
        if not usable.any():
            count(Reason.NO_VALID_POINTS, stamp_ns=stamp_ns, detail=f"of {depth_m.size} pixels")
            return None
        median_m = float(np.median(depth_m[usable][::_EVERY]))
        if not _PLAUSIBLE_M[0] <= median_m <= _PLAUSIBLE_M[1]:
            detail = f"median of the image {median_m:.4g} m, expected {_PLAUSIBLE_M}"
            count(Reason.DEPTH_IMPLAUSIBLE, stamp_ns=stamp_ns, detail=detail)
            return None
        inside = usable & (depth_m >= config.min_depth_m) & (depth_m <= config.max_depth_m)
        if not inside.any():
            detail = f"median {median_m:.4g} m, range {config.min_depth_m} to {config.max_depth_m}"
            count(Reason.NO_VALID_POINTS, stamp_ns=stamp_ns, detail=detail)
            return None
        inverse = np.zeros(depth_m.shape, dtype=np.float32)
        np.divide(np.float32(1), depth_m, out=inverse, where=inside)
        found = segment_inverse(inverse, rays, config)
        detail = f"{found.num_flying} of {int(inside.sum())} pixels"
        count(Reason.FLYING_PIXELS, stamp_ns=stamp_ns, detail=detail, num=found.num_flying)
        if not found.planes:
            least = f"{config.support_share:.0%} of the image and {config.support_area_m2} m²"
            count(Reason.NO_SUPPORT, stamp_ns=stamp_ns, detail=f"no plane with {least}")
        detail = f"fewer than {config.min_points} pixels"
        count(Reason.CLUSTER_TOO_SMALL, stamp_ns=stamp_ns, detail=detail, num=found.num_small)
        return found


@compiled
def _gather(inverse: Any, rays: Any, label: Any, num: int) -> Any:
    """Points of all objects sorted by object, the object of each, and where each one starts."""
    start = np.zeros(num + 1, dtype=np.int64)
    for one in label.ravel():
        if one > 0:
            start[one] += 1
    for one in range(num):
        start[one + 1] += start[one]
    fill = start[:-1].copy()
    points_m = np.empty((start[-1], 3))
    row = np.empty(start[-1], dtype=np.int32)
    for i in range(label.shape[0]):
        for j in range(label.shape[1]):
            one = label[i, j] - 1
            if one >= 0:
                at = fill[one]
                depth_m = 1 / np.float64(inverse[i, j])
                points_m[at, 0] = rays[i, j, 0] * depth_m
                points_m[at, 1] = rays[i, j, 1] * depth_m
                points_m[at, 2] = depth_m
                row[at] = one
                fill[one] += 1
    return points_m, row, start


@compiled
def occluded_shares(inverse: Any, label: Any, num: int, reach: int) -> Any:
    """Share of each object's outline beyond which something nearer or no image is, [num]."""
    h, w = label.shape
    outline, hidden = np.zeros(num), np.zeros(num)
    for i in range(h):
        for j in range(w):
            one = label[i, j]
            if one <= 0:
                continue
            for d in range(4):
                di, dj = (d == 1) - (d == 3), (d == 0) - (d == 2)
                for away in range(1, reach + 1):
                    ii, jj = i + away * di, j + away * dj
                    is_outside = not (0 <= ii < h and 0 <= jj < w)
                    if not is_outside and label[ii, jj] == one:
                        break
                    # the next object, or after some pixels without one whatever there is
                    if is_outside or label[ii, jj] > 0 or away == reach:
                        outline[one - 1] += 1
                        if is_outside or (label[ii, jj] > 0 and inverse[ii, jj] > inverse[i, j]):
                            hidden[one - 1] += 1
                        break
    return hidden / np.maximum(outline, 1.0)
