"""Which frames are worth a label, and how many of them are kept."""

from perception_stack.watch.collect.budget import Budget, Novelty
from perception_stack.watch.collect.config import FrameCollectorConfig
from perception_stack.watch.collect.disagreement import DisagreementWatch
from perception_stack.watch.collect.flicker import FlickerWatch
from perception_stack.watch.collect.interest import Interest, Why
from perception_stack.watch.collect.uncertain import uncertain

__all__ = [
    "Budget",
    "DisagreementWatch",
    "FlickerWatch",
    "FrameCollectorConfig",
    "Interest",
    "Novelty",
    "Why",
    "uncertain",
]
