"""Objects in a depth image: what stands out of its supports, parted at steps and inward edges."""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.depth.creases import find_creases
from perception_stack.depth.grid import STEP_NOISES, Grid, build_grid, without_flying
from perception_stack.depth.parts import join_parts
from perception_stack.depth.regions import grow_regions
from perception_stack.depth.support import Plane, find_supports, tolerance
from perception_stack.geometry.compiled import compiled


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """What each pixel belongs to.

    Attributes:
        label: int32 [H, W], ``i + 1`` on object i, the largest first; 0 on supports and where
            nothing is measured; -1 on what stands out of them but is too small for an object.
        inverse: float32 [H, W], 1/m, 0 where nothing is measured that can be believed.
        planes: The supports, largest in the image first.
        num_flying: Pixels between two surfaces, left out.
        num_small: Regions too small for an object.
    """

    label: NDArray[np.int32]
    inverse: NDArray[np.float32]
    planes: tuple[Plane, ...]
    num_flying: int
    num_small: int

    @property
    def num_objects(self) -> int:
        """How many objects there are."""
        return int(self.label.max(initial=0))


def segment_inverse(
    inverse: NDArray[np.float32], rays: NDArray[np.float32], config: DepthDetectorConfig
) -> Segmentation:
    """Objects of an image of inverse depth.

    Args:
        inverse: float32 [H, W], 1/m, 0 where there is none.
        rays: float32 [H, W, 2], x and y of the rays scaled to depth 1.
        config: Noise, supports, least angle and size.
    """
    noise = config.depth_noise
    inverse, num_flying = without_flying(inverse, rays, noise=noise)
    grid = build_grid(inverse, rays, noise=noise, cell_px=config.cell_px)
    planes, on_support = find_supports(grid, config)
    used = (grid.inverse > 0) & ~on_support
    creases = find_creases(grid, used, config)
    region = grow_regions(creases, used)
    flat = _flat(region, grid, planes, config)
    used &= ~flat
    least = -(-config.min_points // config.cell_px**2)
    region, num_small = join_parts(np.where(flat, 0, region), creases, grid, least=least)
    region[used & (region == 0)] = -1
    num = int(region.max(initial=0))
    label = _label(region, grid.inverse, inverse, STEP_NOISES * noise, config.cell_px, num)
    return Segmentation(
        label=label, inverse=inverse, planes=planes, num_flying=num_flying, num_small=num_small
    )


def _flat(
    region: NDArray[np.int32], grid: Grid, planes: tuple[Plane, ...], config: DepthDetectorConfig
) -> NDArray[np.bool_]:
    """Cells of regions that lie on a support which the camera bends, bool [h, w]."""
    num = int(region.max(initial=0)) + 1
    is_flat = np.zeros(num, dtype=np.bool_)
    count = np.bincount(region.ravel(), minlength=num)
    for plane in planes:
        off = np.abs(plane.stands_out(grid)) > 2 * tolerance(config)
        is_flat |= np.bincount(region[off], minlength=num) < count / 2
    is_flat[0] = False
    flat: NDArray[np.bool_] = is_flat[region]
    return flat


@compiled
def _label(region: Any, cell_inverse: Any, inverse: Any, step: float, cell: int, num: int) -> Any:
    """Regions of cells brought to the pixels and numbered by size, the largest first.

    A pixel goes with its own cell, or where that is behind or in front of it, with that of the
    eight around whose depth is nearest to its own.
    """
    height, width = inverse.shape
    h, w = region.shape
    label = np.zeros((height, width), dtype=np.int32)
    size = np.zeros(num + 1, dtype=np.int64)
    for v in range(h * cell):
        for u in range(w * cell):
            here = inverse[v, u]
            if here <= 0:
                continue
            i, j = v // cell, u // cell
            best, off = region[i, j], abs(cell_inverse[i, j] - here)
            if off > step:
                for ii in range(max(i - 1, 0), min(i + 2, h)):
                    for jj in range(max(j - 1, 0), min(j + 2, w)):
                        if cell_inverse[ii, jj] > 0 and abs(cell_inverse[ii, jj] - here) < off:
                            best, off = region[ii, jj], abs(cell_inverse[ii, jj] - here)
            label[v, u] = best
            if best > 0:
                size[best] += 1
    size[0] = height * width
    order = np.argsort(-size)
    rank = np.empty(len(size), dtype=np.int32)
    for k in range(len(order)):
        rank[order[k]] = k
    for v in range(height):
        for u in range(width):
            if label[v, u] > 0:
                label[v, u] = rank[label[v, u]]
    return label
