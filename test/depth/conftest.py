from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from perception_stack.datatypes import DepthImage
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.builders import sheet
from perception_stack.simulation.depth_camera import depth_sigma_m
from perception_stack.simulation.mesh import Material, Mesh
from perception_stack.simulation.motion import looking
from perception_stack.simulation.raycast import PinholeRays, cast

PAINT = Material(bgr=(100, 100, 100), reflectance=0.5)


class DepthScene:
    """Meshes about the world's origin, z up, and cameras that look at them."""

    paint = PAINT
    table = sheet(np.array([[[x, y, 0.0] for y in (-0.6, 0.6)] for x in (-0.6, 0.6)]), PAINT)

    @staticmethod
    def camera(
        width_px: int = 320,
        height_px: int = 240,
        focal_px: float = 280.0,
        frame_id: str = "camera",
    ) -> CameraModel:
        k = np.array(
            [[focal_px, 0, (width_px - 1) / 2], [0, focal_px, (height_px - 1) / 2], [0, 0, 1]]
        )
        return CameraModel.pinhole(frame_id=frame_id, width_px=width_px, height_px=height_px, k=k)

    @staticmethod
    def pose(
        from_m: Sequence[float], roll_rad: float = 0.0, source: str = "camera"
    ) -> RigidTransform:
        """World from camera: at a place, looking at the origin, turned about its own axis."""
        c, s = np.cos(roll_rad), np.sin(roll_rad)
        place = np.array(from_m, dtype=float)
        return RigidTransform(
            target="world",
            source=source,
            rotation=looking(place, np.zeros(3)) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]),
            translation_m=place,
        )

    @staticmethod
    def photograph(
        meshes: Sequence[Mesh],
        camera: CameraModel,
        world_from_camera: RigidTransform,
        *,
        noise: float = 0.0,
        seed: int = 0,
    ) -> tuple[DepthImage, Any]:
        """Depth of meshes, and the row of the mesh behind each pixel, -1 for none.

        ``noise`` is a factor of that of a real camera.
        """
        triangles = np.concatenate([mesh.triangles_m for mesh in meshes])
        body = np.repeat(np.arange(len(meshes)), [len(mesh) for mesh in meshes])
        in_camera = world_from_camera.inverse().apply(triangles.reshape(-1, 3))
        hits = cast(
            PinholeRays(camera),
            in_camera.reshape(-1, 3, 3),
            body,
            num_bodies=len(meshes),
            farthest=10.0,
        )
        depth_m = np.where(np.isfinite(hits.distance), hits.distance, np.nan)
        random = np.random.default_rng(seed).standard_normal(depth_m.shape)
        depth_m = depth_m + noise * depth_sigma_m(depth_m) * random
        image = DepthImage(
            frame_id=camera.frame_id, stamp_ns=5, depth_m=depth_m.astype(np.float32)
        )
        return image, hits.body

    @staticmethod
    def best_iou(label: Any, mask: Any) -> float:
        """IoU of the segment that fits a mask best."""
        common = np.bincount(label[mask], minlength=label.max() + 1).astype(float)
        common[0] = 0
        size = np.bincount(label.ravel(), minlength=len(common))
        return float((common / (mask.sum() + size - common)).max())


@pytest.fixture(scope="session")
def scene() -> type[DepthScene]:
    return DepthScene
