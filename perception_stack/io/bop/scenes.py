"""Scenes: images with the camera's matrix, and where the objects are in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import DepthImage, FloatArray
from perception_stack.errors import DataFileError
from perception_stack.geometry.camera import CameraModel
from perception_stack.io.bop.files import METRES, numbers, pose_of, read_numbered
from perception_stack.io.image_files import read_gray_image, read_image, read_raw_image

FRAME_ID = "camera"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BopObject:
    """One object in one image.

    Attributes:
        obj_id: Number of its model.
        camera_from_model: float64 [4, 4], metres.
        xyxy_px: float64 [4], box of its visible part; NaN where ``scene_gt_info.json`` is absent.
        visible: Share of its silhouette that is visible; NaN where it is absent.
    """

    obj_id: int
    camera_from_model: FloatArray
    xyxy_px: FloatArray
    visible: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BopScene:
    """One folder of images.

    Attributes:
        folder: Of the scene, named by its number.
        k: float64 [3, 3] of each image, by its number.
        depth_scale: Millimetres per unit of the depth images, by number.
        objects: True poses by image; none where ``scene_gt.json`` is absent.
    """

    folder: Path
    k: dict[int, FloatArray]
    depth_scale: dict[int, float]
    objects: dict[int, tuple[BopObject, ...]]

    @property
    def scene_id(self) -> int:
        """Number of the scene."""
        return int(self.folder.name)

    def depth(self, im_id: int) -> tuple[DepthImage, CameraModel]:
        """One depth image, whose stamp is the image's number, and its camera.

        Raises:
            DataFileError: there is no such image, or it cannot be read.
        """
        raw = read_raw_image(self._image(im_id, "depth", (".png", ".tif")))
        depth_m = (raw * (METRES * self.depth_scale[im_id])).astype(np.float32)
        depth_m[raw == 0] = np.nan
        camera = CameraModel.pinhole(
            frame_id=FRAME_ID,
            width_px=raw.shape[1],
            height_px=raw.shape[0],
            k=self.k[im_id],
        )
        return DepthImage(frame_id=FRAME_ID, stamp_ns=im_id, depth_m=depth_m), camera

    def bgr(self, im_id: int) -> NDArray[np.uint8]:
        """One colour image, uint8 [H, W, 3].

        Raises:
            DataFileError: there is no such image, or it cannot be read.
        """
        return read_image(self._image(im_id, "rgb", (".png", ".jpg")))

    def has_colours(self) -> bool:
        """Whether there are colour images."""
        return (self.folder / "rgb").is_dir()

    def mask(self, im_id: int, row: int) -> NDArray[np.bool_]:
        """Pixels of the visible part of an object, bool [H, W].

        Raises:
            DataFileError: there is no such mask, or it cannot be read.
        """
        path = self.folder / "mask_visib" / f"{im_id:06d}_{row:06d}.png"
        return np.asarray(read_gray_image(path) > 0)

    def _image(self, im_id: int, kind: str, suffixes: tuple[str, ...]) -> Path:
        if im_id not in self.k:
            known = f"{min(self.k)} to {max(self.k)}" if self.k else "none"
            raise DataFileError(self.folder, f"no image {im_id}; known: {known}")
        paths = [self.folder / kind / f"{im_id:06d}{suffix}" for suffix in suffixes]
        return next((one for one in paths if one.is_file()), paths[0])


def read_scene(folder: Path) -> BopScene:
    """The scene of a folder such as ``test/000002``.

    Raises:
        DataFileError: a file is absent, or an entry is incomplete.
    """
    if not folder.name.isdigit():
        raise DataFileError(folder, "the folder of a scene is named by its number")
    cameras = folder / "scene_camera.json"
    entries = read_numbered(cameras)
    return BopScene(
        folder=folder,
        k={
            im_id: numbers(cameras, one, "cam_K", 9).reshape(3, 3)
            for im_id, one in entries.items()
        },
        depth_scale={im_id: float(one.get("depth_scale", 1.0)) for im_id, one in entries.items()},
        objects=_objects(folder),
    )


def _objects(folder: Path) -> dict[int, tuple[BopObject, ...]]:
    truth, seen = folder / "scene_gt.json", folder / "scene_gt_info.json"
    if not truth.is_file():
        return {}
    infos = read_numbered(seen) if seen.is_file() else {}
    objects = {}
    for im_id, entries in read_numbered(truth).items():
        rows = []
        for row, entry in enumerate(entries):
            xyxy_px, visible = np.full(4, np.nan), np.nan
            if im_id in infos:
                left, top, width, height = numbers(seen, infos[im_id][row], "bbox_visib", 4)
                xyxy_px = np.array([left, top, left + width, top + height])
                visible = float(numbers(seen, infos[im_id][row], "visib_fract", 1)[0])
            rows.append(
                BopObject(
                    obj_id=int(numbers(truth, entry, "obj_id", 1)[0]),
                    camera_from_model=pose_of(truth, entry, "cam_R_m2c", "cam_t_m2c"),
                    xyxy_px=xyxy_px,
                    visible=visible,
                )
            )
        objects[im_id] = tuple(rows)
    return objects
