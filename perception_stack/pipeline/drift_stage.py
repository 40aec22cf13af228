"""The watch over one step's inputs and outputs, if a reference is configured."""

from __future__ import annotations

from pathlib import Path

from perception_stack.datatypes import ColorImage, Detections2D, PointCloud
from perception_stack.errors import ConfigError
from perception_stack.journal import Journal, Reason
from perception_stack.watch.drift import Alarm, DriftWatch, Finding
from perception_stack.watch.reference import read_reference


class DriftStage:
    """Counts each alarm in a journal; without a reference it does nothing.

    Args:
        reference: File of what is usual; empty: there is none.
        parts: What of it is watched here.
        journal: Told of each alarm.

    Raises:
        ConfigError: the reference cannot be read, or knows none of these parts.
    """

    def __init__(self, reference: str, parts: tuple[str, ...], journal: Journal) -> None:
        self._journal = journal
        self._watch: DriftWatch | None = None
        if not reference:
            return
        usual = read_reference(Path(reference).expanduser())
        if not set(parts) & set(usual.usual):
            known = ", ".join(usual.usual)
            raise ConfigError(
                f"reference '{reference}' knows {known}, not {' or '.join(parts)}; learn one from "
                "recordings that have them: perception-stack watch learn"
            )
        self._watch = DriftWatch(usual, parts)

    @property
    def enabled(self) -> bool:
        """Whether there is a reference."""
        return self._watch is not None

    @property
    def findings(self) -> list[Finding]:
        """What is known of each part."""
        return [] if self._watch is None else self._watch.findings

    def add_image(self, image: ColorImage, detections: Detections2D) -> None:
        """Take in an image and what was found in it."""
        if self._watch is not None:
            self._count(self._watch.add_image(image), image.stamp_ns)
            self._count(self._watch.add_detections(detections), image.stamp_ns)

    def add_cloud(self, cloud: PointCloud) -> None:
        """Take in a scan as it came."""
        if self._watch is not None:
            self._count(self._watch.add_cloud(cloud), cloud.stamp_ns)

    def _count(self, alarms: list[Alarm], stamp_ns: int) -> None:
        for one in alarms:
            self._journal.count(Reason.DRIFT, stamp_ns=stamp_ns, detail=one.text)
