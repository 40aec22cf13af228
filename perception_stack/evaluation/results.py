"""Everything an evaluation found, ready to be written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from perception_stack.evaluation.drops import Drop
from perception_stack.evaluation.evaluate import DetectionScores, TrackingScores
from perception_stack.evaluation.latency import FrameTiming, StepLatency
from perception_stack.evaluation.pose import PoseScores
from perception_stack.evaluation.scene import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The scores of one run; what was not evaluated is empty or None.

    Attributes:
        title: Heading of the report.
        facts: Lines below the heading: name and value.
        tracking: Tracking scores, one entry for each rule of what counts as a hit.
        detection: Detection scores, one entry for each rule.
        pose: Object pose scores.
        latency: Processing time by step.
        timing: How regular the frames came.
        drops: What was dropped and why.
        scenes: Frames to show.
    """

    title: str
    facts: dict[str, str] = field(default_factory=dict)
    tracking: tuple[TrackingScores, ...] = ()
    detection: tuple[DetectionScores, ...] = ()
    pose: PoseScores | None = None
    latency: tuple[StepLatency, ...] = ()
    timing: FrameTiming | None = None
    drops: tuple[Drop, ...] = ()
    scenes: tuple[Scene, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All numbers for JSON; no pictures."""
        return {
            "title": self.title,
            "facts": self.facts,
            "tracking": [one.as_dict() for one in self.tracking],
            "detection": [one.as_dict() for one in self.detection],
            "pose": self.pose.as_dict() if self.pose else None,
            "latency": [one.as_dict() for one in self.latency],
            "timing": self.timing.as_dict() if self.timing else None,
            "drops": [one.as_dict() for one in self.drops],
        }
