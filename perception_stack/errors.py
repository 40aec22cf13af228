"""Every exception of the package. The class builds its message from the facts it is given.

Each class carries the :class:`~perception_stack.journal.Reason` value under which a node counts
a frame that it had to drop because of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar


class PerceptionError(Exception):
    """Root of all errors that come from bad input, configuration or surroundings."""

    reason: ClassVar[str] = "error"


class ConfigError(PerceptionError):
    """A parameter or parameter file that cannot be used."""

    reason = "bad_config"


class UnknownParameterError(ConfigError):
    """A parameter name that no step declares."""

    def __init__(self, name: str, known: Iterable[str], *, where: str = "") -> None:
        from difflib import get_close_matches

        names = sorted(known)
        close = get_close_matches(name, names, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(names)}"
        place = f" in {where}" if where else ""
        super().__init__(f"unknown parameter '{name}'{place}; {hint}")


class CalibrationError(PerceptionError):
    """A calibration that is missing, malformed or impossible."""

    reason = "bad_calibration"


class ShapeError(PerceptionError, ValueError):
    """An array whose shape or type is not the one that was promised."""

    reason = "bad_shape"

    def __init__(self, name: str, *, expected: str, received: str) -> None:
        super().__init__(f"{name} must be {expected}, got {received}")


class FrameMismatchError(PerceptionError):
    """Data in one frame was used as if it were in another."""

    reason = "frame_mismatch"

    def __init__(self, what: str, *, expected: str, received: str) -> None:
        super().__init__(f"{what}: expected frame '{expected}', got '{received}'")


class TransformUnavailableError(PerceptionError):
    """No transform between two frames at a stamp; the subclass says which of the three causes."""

    reason = "no_transform"

    def __init__(self, target: str, source: str, stamp_ns: int, *, why: str) -> None:
        super().__init__(f"no transform {target} <- {source} at {stamp_ns} ns: {why}")


class UnknownFrameError(TransformUnavailableError):
    """A frame that no transform has named yet."""


class UnconnectedFramesError(TransformUnavailableError):
    """Two known frames without a common ancestor."""


class ExtrapolationError(TransformUnavailableError):
    """The stamp lies before or after what is recorded of a frame."""


class DecodeError(PerceptionError):
    """A message or file whose content does not hold together."""

    reason = "undecodable"


class ModelLoadError(PerceptionError):
    """A network file or its manifest that cannot be used."""

    reason = "bad_model"

    def __init__(self, path: Path | str, why: str) -> None:
        super().__init__(f"cannot use model '{path}': {why}")


class DataFileError(PerceptionError):
    """A recording or data set that is absent, cut off or not of the expected layout."""

    reason = "bad_file"

    def __init__(self, path: Path | str, why: str) -> None:
        super().__init__(f"cannot read '{path}': {why}")


class TrainingError(PerceptionError):
    """Training that cannot go on."""
