"""Manifests as files: YAML whose keys are all known."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from perception_stack.errors import ModelLoadError


def read_yaml(path: Path) -> Any:
    """What a manifest says, not checked.

    Raises:
        ModelLoadError: it cannot be read.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelLoadError(path, f"no readable manifest: {error}") from error


def check_keys(
    content: Any, required: Set[str], optional: Set[str], path: Path, what: str
) -> None:
    """Refuse what lacks a key or has one that nobody knows.

    Args:
        content: Should be a mapping.
        required: Keys that must be there.
        optional: Keys that may be there.
        path: Of the manifest.
        what: Part of it, for error texts.

    Raises:
        ModelLoadError: says which.
    """
    if not isinstance(content, Mapping):
        raise ModelLoadError(path, f"{what} is not a mapping")
    if missing := sorted(required - set(content)):
        raise ModelLoadError(path, f"{what} lacks {', '.join(missing)}")
    if unknown := sorted(set(content) - required - optional):
        known = ", ".join(sorted(required | optional))
        raise ModelLoadError(path, f"{what} has unknown {', '.join(unknown)}; known: {known}")
