"""Detections and the masks that come beside them, in messages of their own with the same stamp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from perception_stack.datatypes import Detections2D, LabelImage
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.pairing import Companion, PairedSet, Pairing
from perception_stack.journal import Journal

_DETECTIONS, _MASK = "detections", "mask"


class MaskedDetections:
    """Joins the detections of each image of one camera with its mask.

    Args:
        config: How long a mask is waited for.
        journal: Told of what came without the other.
    """

    def __init__(self, config: FusionConfig, journal: Journal) -> None:
        self._pairing = Pairing(
            _DETECTIONS,
            (Companion(name=_MASK, tolerance_s=0.0),),
            timeout_s=config.timeout_s,
            queue_size=config.queue_size,
            reset_s=config.reset_s,
            journal=journal,
        )
        self.expect(False)

    def expect(self, expected: bool) -> None:
        """Say whether masks come; at first they do not, and nothing waits for one."""
        self._pairing.expect(_MASK, expected)

    def push_detections(self, detections: Detections2D, *, arrival_ns: int) -> list[Detections2D]:
        """Detections of one image; gives those that need not wait, with their masks."""
        stamp_ns = detections.stamp_ns
        return _joined(
            self._pairing.push(_DETECTIONS, stamp_ns, detections, arrival_ns=arrival_ns)
        )

    def push_mask(self, mask: LabelImage, *, stamp_ns: int, arrival_ns: int) -> list[Detections2D]:
        """Which pixel of one image belongs to which detection."""
        return _joined(self._pairing.push(_MASK, stamp_ns, mask, arrival_ns=arrival_ns))

    def take(self, take: Callable[[Pairing], list[PairedSet]]) -> list[Detections2D]:
        """What has waited too long, or all that waits: ``expire`` or ``flush`` of the pairing."""
        return _joined(take(self._pairing))


def _joined(sets: list[PairedSet]) -> list[Detections2D]:
    return [
        one.reference
        if one.companions[_MASK] is None
        else replace(one.reference, mask=one.companions[_MASK])
        for one in sets
    ]
