"""Frames with boxes that were only just reported."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import Detections2D
from perception_stack.watch.collect.config import FrameCollectorConfig
from perception_stack.watch.collect.interest import Interest, Why


def uncertain(detections: Detections2D, config: FrameCollectorConfig) -> list[Interest]:
    """Whether many boxes of an image lie close above the threshold.

    A label tells a model most where it is least sure (Lewis and Gale, "A sequential algorithm for
    training text classifiers", SIGIR 1994).
    """
    limit = config.score_threshold + config.score_margin
    unsure = np.flatnonzero(detections.score < limit)
    if len(unsure) < config.uncertain_boxes:
        return []
    labels = [detections.labels[i] for i in unsure]
    most = max(sorted(set(labels)), key=labels.count)
    text = f"{len(unsure)} of {len(detections)} boxes score below {limit:.2f}, mostly {most}"
    return [
        Interest(why=Why.UNCERTAIN, about=most, text=text, stamp_ns=detections.stamp_ns),
    ]
