"""The reference: what is usual, learnt from recordings and kept in a YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.errors import ConfigError
from perception_stack.watch.change import Limits, limits_of
from perception_stack.watch.features import BOXES, CLOUD, IMAGE, Feature, class_features
from perception_stack.watch.usual import Usual, learn_usual

PARTS = ("image", "detections", "points")
DELAY_FRAMES, FALSE_ALARM_FRAMES = 100, 10_000
_VERSION = 1
_KEYS = frozenset({"version", "delay_frames", "false_alarm_frames", "sources", "classes", *PARTS})
_NUMBERS = ("middle", "level_std", "freedom", "noise_std")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording, as numbers.

    Attributes:
        name: For people.
        values: By part, float64 [N, F], a row per frame; parts that it does not have are absent.
        stamps_ns: By part, int64 [N].
    """

    name: str
    values: Mapping[str, FloatArray]
    stamps_ns: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What is usual.

    Attributes:
        delay_frames: Within how many frames a shift is to be found.
        false_alarm_frames: Mean number of frames between false alarms, all features together.
        sources: Name and number of frames of each recording that it was learnt from.
        classes: Those with a share of their own.
        usual: By part, what is usual for its features.
    """

    delay_frames: int
    false_alarm_frames: float
    sources: tuple[tuple[str, int], ...]
    classes: tuple[str, ...]
    usual: Mapping[str, tuple[Usual, ...]]

    def limits(self, part: str) -> tuple[Limits, ...]:
        """How far each feature of a part may go."""
        num = sum(map(len, self.usual.values()))
        return tuple(
            limits_of(
                one,
                false_alarm_frames=self.false_alarm_frames,
                delay_frames=self.delay_frames,
                num_features=num,
            )
            for one in self.usual.get(part, ())
        )


def features_of(part: str, classes: Sequence[str]) -> tuple[Feature, ...]:
    """The features of a part, in the order of their values."""
    if part == "detections":
        return (*BOXES, *class_features(classes))
    return IMAGE if part == "image" else CLOUD


def learn(
    recordings: Sequence[Recording],
    *,
    classes: Sequence[str],
    delay_frames: int = DELAY_FRAMES,
    false_alarm_frames: float = FALSE_ALARM_FRAMES,
) -> Reference:
    """What is usual in recordings.

    Args:
        recordings: The more places and times of day, the better the watch knows what is usual.
        classes: Those with a share of their own; the values of the boxes go by them.
        delay_frames: Within how many frames a shift is to be found.
        false_alarm_frames: Mean number of frames between false alarms.

    Raises:
        ConfigError: the recordings are too short for any feature.
    """
    usual: dict[str, tuple[Usual, ...]] = {}
    for part in PARTS:
        tables = [one.values[part] for one in recordings if part in one.values]
        found = [
            learn_usual(feature, [table[:, i] for table in tables], delay_frames=delay_frames)
            for i, feature in enumerate(features_of(part, classes))
        ]
        if known := tuple(one for one in found if one is not None):
            usual[part] = known
    if not usual:
        num = sum(len(table) for one in recordings for table in one.values.values())
        raise ConfigError(
            f"{num} frames are too few: at least two stretches of {delay_frames} are needed"
        )
    return Reference(
        delay_frames=delay_frames,
        false_alarm_frames=false_alarm_frames,
        sources=tuple((one.name, max(map(len, one.values.values()))) for one in recordings),
        classes=tuple(classes),
        usual=usual,
    )


def write_reference(reference: Reference, path: Path) -> None:
    """Keep a reference; an existing file is replaced."""
    import yaml

    content: dict[str, Any] = {
        "version": _VERSION,
        "delay_frames": reference.delay_frames,
        "false_alarm_frames": reference.false_alarm_frames,
        "sources": [{"name": name, "frames": num} for name, num in reference.sources],
        "classes": list(reference.classes),
    }
    for part, many in reference.usual.items():
        content[part] = {
            one.feature.name: {name: float(f"{getattr(one, name):.6g}") for name in _NUMBERS}
            for one in many
        }
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=99)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# written by: perception-stack watch learn\n" + text, encoding="utf-8")


def read_reference(path: Path) -> Reference:
    """A reference that was kept.

    Raises:
        ConfigError: no such file, or not written by :func:`write_reference`; says what to type.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        raise _unusable(path, f"it has no line 'version: {_VERSION}'")
    if unknown := sorted(set(content) - _KEYS):
        raise _unusable(path, f"unknown key '{unknown[0]}'")
    try:
        classes = tuple(map(str, content["classes"]))
        return Reference(
            delay_frames=int(content["delay_frames"]),
            false_alarm_frames=float(content["false_alarm_frames"]),
            sources=tuple((str(one["name"]), int(one["frames"])) for one in content["sources"]),
            classes=classes,
            usual={
                part: _usual(content[part], features_of(part, classes), path)
                for part in PARTS
                if part in content
            },
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _unusable(path, f"malformed: {error!r}") from error


def _usual(
    content: Mapping[str, Mapping[str, float]], features: Sequence[Feature], path: Path
) -> tuple[Usual, ...]:
    known = {one.name: one for one in features}
    if unknown := sorted(set(content) - set(known)):
        raise _unusable(path, f"unknown feature '{unknown[0]}'; known: {', '.join(known)}")
    return tuple(
        Usual(feature=known[name], **{key: float(numbers[key]) for key in _NUMBERS})
        for name, numbers in content.items()
    )


def _unusable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"cannot use reference '{path}': {why}; write one with perception-stack watch learn"
    )
