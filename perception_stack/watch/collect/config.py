"""Parameters of the frame collector."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCollectorConfig(StepConfig):
    """What is worth a label, and how much of it is kept."""

    out_dir: str = param("", "Folder of the snippets; empty: nothing is collected.")
    storage: str = param("mcap", "Format of the bags.", choices=("mcap", "sqlite3"))
    before_s: float = param(
        1.0, "How much before the frame is kept.", unit="s", low=0.0, high=30.0
    )
    after_s: float = param(1.0, "How much after it.", unit="s", low=0.0, high=30.0)
    keep_points: bool = param(True, "Whether snippets hold the scans, too.")
    buffer_mb: int = param(
        512, "Memory for messages that wait; the oldest are let go.", low=1, high=65536
    )
    quota_mb: int = param(4096, "Most that the folder may hold.", low=1, high=10**7)
    gap_s: float = param(10.0, "Least time between two snippets.", unit="s", low=0.0, high=86400.0)
    repeat_s: float = param(
        120.0,
        "Least time between two snippets for the same reason about the same thing.",
        unit="s",
        low=0.0,
        high=86400.0,
    )
    likeness: float = param(
        0.97,
        "Correlation with the image of a snippet from which an image is known; 1: never.",
        low=0.0,
        high=1.0,
    )
    score_threshold: float = param(
        0.3, "Least score that the detector reports.", low=0.0, high=1.0
    )
    score_margin: float = param(
        0.1, "A box is uncertain up to so much above that.", low=0.0, high=1.0
    )
    uncertain_boxes: int = param(
        3, "Uncertain boxes that make a frame worth a label.", low=1, high=1000
    )
    sure_score: float = param(
        0.6, "Score from which a box of either sensor must have a partner.", low=0.0, high=1.0
    )
    sure_side_px: float = param(
        40.0,
        "Height of a box in the image from which the LiDAR must see it, too.",
        unit="px",
        low=1.0,
        high=10000.0,
    )
    lonely_boxes: int = param(
        2, "Boxes without a partner that make a frame worth a label.", low=1, high=1000
    )
    pair_tolerance_s: float = param(
        0.06, "Farthest that detections may be from the boxes.", unit="s", low=0.0, high=1.0
    )
    flicker_window_s: float = param(
        2.0,
        "Time within which a track that changes twice flickers, or one that ends was short.",
        unit="s",
        low=0.1,
        high=60.0,
    )
    existence_swing: float = param(
        0.3, "Change of existence that is an up or a down.", low=0.01, high=1.0
    )
    switch_m: float = param(
        1.0,
        "Distance from where a lost track should be within which a new one has its identity.",
        unit="m",
        low=0.0,
        high=10.0,
    )

    @property
    def enabled(self) -> bool:
        """Whether anything is collected."""
        return bool(self.out_dir)
