"""What a tracker leaves out, told to its journal: frames, and detections that start nothing."""

from __future__ import annotations

from perception_stack.journal import Journal, Reason
from perception_stack.tracking.common.config import TrackingConfig


def starts_anew(
    stamp_ns: int, newest_ns: int, config: TrackingConfig, journal: Journal, *, num_objects: int
) -> bool:
    """Whether a frame that is not newer than the newest is the first of another recording.

    Args:
        stamp_ns: Of the frame.
        newest_ns: Of the newest one.
        config: How far back that is.
        journal: Told that the frame is late, or that all is forgotten.
        num_objects: That would be.
    """
    back_s = (newest_ns - stamp_ns) * 1e-9
    if back_s > config.reset_s:
        detail = f"back by {back_s:.3f} s; {num_objects} objects forgotten"
        journal.count(Reason.STAMP_JUMP, stamp_ns=stamp_ns, detail=detail)
        return True
    detail = f"{back_s * 1e3:.1f} ms before the newest frame"
    journal.count(Reason.STALE_STAMP, stamp_ns=stamp_ns, detail=detail)
    return False


def count_unborn(
    num_weak: int, num_taken: int, config: TrackingConfig, journal: Journal, *, stamp_ns: int
) -> None:
    """Tell of detections that belong to no track and start none: too weak, or where one is."""
    if num_weak:
        detail = f"score below {config.strong_score} and no object there"
        journal.count(Reason.BELOW_THRESHOLD, stamp_ns=stamp_ns, detail=detail, num=num_weak)
    if num_taken:
        detail = f"overlaps an object by more than {config.duplicate_overlap}"
        journal.count(Reason.DUPLICATE, stamp_ns=stamp_ns, detail=detail, num=num_taken)
