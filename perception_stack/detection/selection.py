"""From what a network says to the objects of an image: strong enough, real, and each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import ColorImage, Detections2D, Keypoints2D
from perception_stack.detection import tiling
from perception_stack.detection.candidates import Candidates, Found
from perception_stack.detection.decoders import gives
from perception_stack.detection.labels import Labels
from perception_stack.detection.manifest import Manifest
from perception_stack.detection.masks import Piece, label_image, warm_up
from perception_stack.detection.preprocess import Placement
from perception_stack.geometry.suppression import best_of_each, best_of_rotated
from perception_stack.journal import Journal, Reason

_CUT_PX = 2.0  # of the network's input, by which a box may miss the border that cuts it


class Selection:
    """Chooses among the candidates of one image or of its parts.

    Args:
        manifest: Of the network.
        labels: Its classes.
        threshold: Least score.
        journal: Told of boxes that are none.
    """

    def __init__(
        self, manifest: Manifest, labels: Labels, threshold: float, journal: Journal
    ) -> None:
        self._manifest, self._labels = manifest, labels
        self._threshold = threshold
        self._journal = journal

    def warm_up(self) -> None:
        """Compile what the first object would otherwise have to wait for."""
        if "masks" in gives(self._manifest):
            warm_up(self._manifest.max_detections)

    def __call__(self, candidates: Candidates, placement: Placement, *, stamp_ns: int) -> Found:
        """Objects, best first, in pixels of the image or of the part of it that was looked at."""
        by_class = candidates.scores[:, self._labels.kept]
        # a cell stands for one object: its best class
        best = np.argmax(by_class, axis=1)
        score = by_class[np.arange(len(by_class)), best]
        boxes = placement.to_image(candidates.boxes)
        rows = np.flatnonzero(~(score < self._threshold))
        finite = np.isfinite(candidates.boxes[rows]).all(axis=1) & np.isfinite(score[rows])
        self._count(Reason.NON_FINITE_BOXES, candidates, rows[~finite], stamp_ns)
        rows = rows[finite]
        inside = (boxes[rows, 2:] > boxes[rows, :2]).all(axis=1)
        self._count(Reason.OUT_OF_IMAGE, candidates, rows[~inside], stamp_ns)
        rows = rows[inside]
        rotated, keypoints = candidates.rotated, candidates.keypoints
        found = Found(
            xyxy_px=boxes[rows],
            score=np.minimum(score[rows], 1.0),
            class_idx=self._labels.kept[best[rows]],
            rotated_px=None if rotated is None else placement.rotated_to_image(rotated[rows]),
            keypoints=None if keypoints is None else placement.keypoints_to_image(keypoints[rows]),
        )
        kept = self._best(found)
        return _with_masks(found.rows(kept), candidates, rows[kept], placement)

    def detections(
        self, image: ColorImage, parts: Sequence[Found], tiles: Sequence[tiling.Tile]
    ) -> Detections2D:
        """What all parts of an image show, as one list.

        Args:
            image: The whole.
            parts: Objects of each tile; none of an empty image.
            tiles: The whole image first, and its parts.
        """
        found = parts[0] if parts else self._nothing()
        if len(parts) > 1:
            moved = [one.moved((at.left, at.top)) for one, at in zip(parts, tiles, strict=True)]
            width_px = self._manifest.input.width_px
            margin_px = _CUT_PX * (tiles[1].right - tiles[1].left) / width_px
            found = tiling.merge(moved, tiles, self._labels.groups, margin_px=margin_px)
            found = found.rows(self._best(found))
        return self._as_detections(image, found)

    def _nothing(self) -> Found:
        """No objects, with the fields that the network's objects have."""
        given = gives(self._manifest)
        return Found(
            xyxy_px=np.empty((0, 4)),
            score=np.empty(0),
            class_idx=np.empty(0, dtype=np.intp),
            rotated_px=np.empty((0, 5)) if "angles" in given else None,
            keypoints=np.empty((0, len(self._manifest.keypoints), 3))
            if "keypoints" in given
            else None,
            masks=() if "masks" in given else None,
        )

    def _count(
        self, reason: Reason, candidates: Candidates, rows: NDArray[np.intp], stamp_ns: int
    ) -> None:
        if len(rows):
            box, score = candidates.boxes[rows[0]], candidates.scores[rows[0]].max()
            detail = f"box {box.tolist()} in the network's input, score {score:g}"
            self._journal.count(reason, stamp_ns=stamp_ns, detail=detail, num=len(rows))

    def _best(self, found: Found) -> NDArray[np.intp]:
        groups = self._labels.groups[found.class_idx]
        iou, most = self._manifest.nms_iou, self._manifest.max_detections
        if found.rotated_px is None:
            return best_of_each(found.xyxy_px, found.score, groups, iou=iou, most=most)
        return best_of_rotated(found.rotated_px, found.score, groups, iou=iou, most=most)

    def _as_detections(self, image: ColorImage, found: Found) -> Detections2D:
        height, width = image.bgr.shape[:2]
        mask = None
        if found.masks is not None:
            most = self._manifest.max_detections
            mask = label_image(found.masks, size_px=(width, height), most=most)
        keypoints = None
        if found.keypoints is not None:
            score = np.clip(found.keypoints[:, :, 2], 0.0, 1.0)
            there = np.isfinite(found.keypoints).all(axis=2)
            keypoints = Keypoints2D(
                names=self._manifest.keypoints,
                uv_px=found.keypoints[:, :, :2],
                score=np.where(there, score, 0.0),
            )
        return Detections2D(
            frame_id=image.frame_id,
            stamp_ns=image.stamp_ns,
            xyxy_px=found.xyxy_px,
            score=found.score,
            labels=tuple(self._labels.names[i] for i in found.class_idx),
            mask=mask,
            keypoints=keypoints,
            rotated_px=found.rotated_px,
        )


def _with_masks(
    found: Found, candidates: Candidates, rows: NDArray[np.intp], placement: Placement
) -> Found:
    """Objects with their masks, asked for by their rows among the candidates."""
    source = candidates.masks
    if source is None:
        return found
    grids, edges = source.grids(rows, candidates.boxes[rows])
    regions_px = placement.edges_to_image(edges)
    masks = tuple(
        (Piece(values=values, region_px=region_px, box_px=box_px),)
        for values, region_px, box_px in zip(grids, regions_px, found.xyxy_px, strict=True)
    )
    return replace(found, masks=masks)
