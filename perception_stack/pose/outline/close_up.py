"""A crop of a frame in which an object has a fixed size, so that lengths are the same for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.pose.scene import Scene

_SIDE = 2.2  # of a close-up, in diameters of the object
_ANTI_ALIAS = 0.5  # deviation, in pixels of the close-up
_AROUND = 0.07  # of the diameter; depth and colour of an edge are that far apart


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CloseUp:
    """Colours and depths about an object.

    Attributes:
        bins: uint16 [h, w], number of the colour of each pixel.
        depth_m: float32 [h, w], inf where not measured.
        nearest_m: float32 [h, w], least depth around each pixel; 0 off the image.
        pinhole: float64 [4], fx, fy, cx, cy of the crop.
        scale: Pixels of it for one of the frame.
    """

    bins: NDArray[np.uint16]
    depth_m: NDArray[np.float32]
    nearest_m: NDArray[np.float32]
    pinhole: FloatArray
    scale: float

    @classmethod
    def of(
        cls, scene: Scene, middle_m: FloatArray, diameter_m: float, *, object_px: int
    ) -> CloseUp:
        """The surroundings of a place in front of the camera.

        Args:
            scene: A frame with colours.
            middle_m: float64 [3], of the object.
            diameter_m: Of the object.
            object_px: How large it shall be.
        """
        import cv2

        from perception_stack.pose.outline._drawing import LEVELS

        fx, fy, cx, cy = scene.pinhole
        side_px = round(_SIDE * object_px)
        scale = float(object_px * middle_m[2] / (fx * diameter_m))
        u_px, v_px = scene.project(middle_m)
        move = np.array(
            [[scale, 0, side_px / 2 - scale * u_px], [0, scale, side_px / 2 - scale * v_px]]
        )
        size = (side_px, side_px)
        rgb: Any = scene.rgb
        if scale < 1:  # blurred before, or single pixels would stand for many
            rgb = cv2.GaussianBlur(rgb, (0, 0), _ANTI_ALIAS * np.sqrt(scale**-2 - 1))
        rgb = cv2.warpAffine(rgb, move, size, flags=cv2.INTER_LINEAR)
        measured_m = np.where(np.isfinite(scene.depth_m), scene.depth_m, np.inf)
        depth_m = np.zeros(size, dtype=np.float32)
        cv2.warpAffine(
            measured_m.astype(np.float32),
            move,
            size,
            dst=depth_m,
            flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=0.0,
        )
        reach = 2 * round(_AROUND * object_px) + 1
        around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        nearest_m = np.asarray(cv2.erode(depth_m, around), dtype=np.float32)
        depth_m[depth_m == 0] = np.inf
        levels = (rgb // (256 // LEVELS)).astype(np.uint16)
        return cls(
            bins=(levels[..., 0] * LEVELS + levels[..., 1]) * LEVELS + levels[..., 2],
            depth_m=depth_m,
            nearest_m=nearest_m,
            pinhole=np.array(
                [scale * fx, scale * fy, scale * cx + move[0, 2], scale * cy + move[1, 2]]
            ),
            scale=scale,
        )
