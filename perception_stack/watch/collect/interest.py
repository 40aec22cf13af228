"""Why a frame is worth a label."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Why(str, Enum):
    """Kinds of reasons."""

    UNCERTAIN = "uncertain"
    DISAGREE = "sensors_disagree"
    FLICKER = "track_flickers"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """One reason.

    Attributes:
        why: Its kind.
        about: What it is about, such as a class: the same again soon is no news.
        text: In words, with the numbers behind it.
        stamp_ns: Stamp of the frame.
    """

    why: Why
    about: str
    text: str
    stamp_ns: int
