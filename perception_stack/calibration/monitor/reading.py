"""What one frame says of a mount."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """A measurement of how far a mount is from what is believed, or why there is none.

    Attributes:
        values: float64 [P]; empty if this frame does not tell.
        why_not: Why it does not; empty if it does.
    """

    values: FloatArray
    why_not: str = ""

    @classmethod
    def none(cls, why_not: str) -> Reading:
        """Of a frame that does not tell."""
        return cls(values=np.empty(0), why_not=why_not)
