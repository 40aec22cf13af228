"""How many frames are kept: not too often, not the same again, not more than the disk has room."""

from __future__ import annotations

from collections import deque

import numpy as np

from perception_stack.datatypes import ColorImage, FloatArray
from perception_stack.watch.collect.config import FrameCollectorConfig
from perception_stack.watch.collect.interest import Interest

_THUMB_PX = (32, 18)
_MOST_KNOWN = 500


class Budget:
    """Lets snippets through, by the stamps of their frames.

    Args:
        config: How often.
    """

    def __init__(self, config: FrameCollectorConfig) -> None:
        self._config = config
        self._last_ns: int | None = None
        self._told_ns: dict[tuple[str, str], int] = {}

    def refusal(self, interest: Interest) -> str:
        """Why a frame is not kept; empty if it may be."""
        now_ns = interest.stamp_ns
        if self._last_ns is not None:
            gap_s = abs(now_ns - self._last_ns) / 1e9
            if gap_s < self._config.gap_s:
                return f"{gap_s:.1f} s after the last snippet, gap_s is {self._config.gap_s:g}"
        told_ns = self._told_ns.get((interest.why.value, interest.about))
        if told_ns is not None:
            gap_s = abs(now_ns - told_ns) / 1e9
            if gap_s < self._config.repeat_s:
                return (
                    f"{interest.why.value} about {interest.about} {gap_s:.1f} s ago, "
                    f"repeat_s is {self._config.repeat_s:g}"
                )
        return ""

    def spend(self, interest: Interest) -> None:
        """Note that a frame was kept."""
        self._last_ns = interest.stamp_ns
        self._told_ns[interest.why.value, interest.about] = interest.stamp_ns


class Novelty:
    """Knows the images of the snippets by thumbnails.

    Args:
        likeness: Correlation from which an image is known; 1: never.
    """

    def __init__(self, likeness: float) -> None:
        self._likeness = likeness
        self._known: deque[FloatArray] = deque(maxlen=_MOST_KNOWN)

    def is_known(self, image: ColorImage) -> bool:
        """Whether an image is much like one that was kept."""
        if not self._known or self._likeness >= 1:
            return False
        return bool((np.array(self._known) @ _thumbnail(image)).max() >= self._likeness)

    def remember(self, image: ColorImage) -> None:
        """Note that an image was kept."""
        self._known.append(_thumbnail(image))


def _thumbnail(image: ColorImage) -> FloatArray:
    """Grey values of a small image, without mean, of unit length; so light does not matter."""
    import cv2

    small = cv2.resize(image.bgr, _THUMB_PX, interpolation=cv2.INTER_AREA)
    grey = np.asarray(small, dtype=np.float64).mean(axis=2).ravel()
    grey -= grey.mean()
    return np.asarray(grey / max(float(np.linalg.norm(grey)), 1e-9))
