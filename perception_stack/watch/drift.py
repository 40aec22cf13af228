"""Whether what comes in and what comes out still is like the reference, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perception_stack.datatypes import ColorImage, Detections2D, FloatArray, PointCloud
from perception_stack.watch.change import Change
from perception_stack.watch.features import STOPS, box_features, cloud_features
from perception_stack.watch.image_features import image_features
from perception_stack.watch.reference import PARTS, Reference, features_of

_JUMP_BACK_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One feature that no longer is as usual.

    Attributes:
        part: Image, detections or points.
        feature: Name of the feature.
        since_ns: Stamp since which it is off.
        shift: By how much, on average, in the unit of the feature.
        text: In words.
    """

    part: str
    feature: str
    since_ns: int
    shift: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is known of one part.

    Attributes:
        part: Which.
        num_frames: Frames looked at.
        alarms: What is off now.
        levels: How close each feature is to an alarm, 1 being one, by name.
    """

    part: str
    num_frames: int
    alarms: tuple[Alarm, ...]
    levels: Mapping[str, float]

    @property
    def text(self) -> str:
        """In words."""
        if not self.num_frames:
            return "nothing has come yet"
        return "; ".join(one.text for one in self.alarms) or "as usual"


class DriftWatch:
    """Compares frames with a reference.

    Args:
        reference: What is usual.
        parts: Which parts of it to watch.
    """

    def __init__(self, reference: Reference, parts: Sequence[str] = PARTS) -> None:
        self._classes = reference.classes
        self._changes: dict[str, dict[str, Change]] = {
            part: {one.feature.name: Change(one) for one in reference.limits(part)}
            for part in parts
            if part in reference.usual
        }
        self._columns = {
            part: [one.name for one in features_of(part, reference.classes)]
            for part in self._changes
        }
        self._num_frames = dict.fromkeys(self._changes, 0)
        self._newest_ns = dict.fromkeys(self._changes, 0)

    def add_image(self, image: ColorImage) -> list[Alarm]:
        """Take in an image; returns alarms that it set off."""
        if "image" not in self._changes:
            return []
        return self.add("image", image_features(image), image.stamp_ns)

    def add_detections(self, detections: Detections2D) -> list[Alarm]:
        """Take in the boxes of an image; returns alarms that they set off."""
        if "detections" not in self._changes:
            return []
        values = box_features(detections, self._classes)
        return self.add("detections", values, detections.stamp_ns)

    def add_cloud(self, cloud: PointCloud) -> list[Alarm]:
        """Take in a scan; returns alarms that it set off."""
        if "points" not in self._changes:
            return []
        return self.add("points", cloud_features(cloud), cloud.stamp_ns)

    def add(self, part: str, values: FloatArray, stamp_ns: int) -> list[Alarm]:
        """Take in the values of one frame; returns alarms that it set off.

        Stamps that jump back by more than a second begin a new recording.
        """
        changes = self._changes[part]
        if stamp_ns < self._newest_ns[part] - _JUMP_BACK_NS:
            for one in changes.values():
                one.reset()
        self._newest_ns[part] = stamp_ns
        self._num_frames[part] += 1
        alarms = []
        for name, value in zip(self._columns[part], values, strict=True):
            change = changes.get(name)
            if change is None:
                continue
            before = change.side
            change.add(float(value), stamp_ns)
            if change.side and not before:
                alarms.append(_alarm(part, change))
        return alarms

    @property
    def findings(self) -> list[Finding]:
        """What is known of each part."""
        return [
            Finding(
                part=part,
                num_frames=self._num_frames[part],
                alarms=tuple(_alarm(part, one) for one in changes.values() if one.side),
                levels={name: one.level for name, one in changes.items()},
            )
            for part, changes in self._changes.items()
        ]


def _alarm(part: str, change: Change) -> Alarm:
    return Alarm(
        part=part,
        feature=change.limits.feature.name,
        since_ns=change.since_ns,
        shift=change.shift,
        text=f"{_text(change)}, since {change.since_ns / 1e9:.3f} s",
    )


def _text(change: Change) -> str:
    limits, shift = change.limits, change.shift
    feature = limits.feature
    what = feature.more if change.side > 0 else feature.less
    now, low = limits.middle + shift, limits.middle - limits.level
    if feature.unit == STOPS:
        usual = f"{2**-limits.level:.2f} to {2**limits.level:.2f}"
        return f"{what}: {feature.name} {2**shift:.2f} times the usual, which varies from {usual}"
    high = limits.middle + limits.level
    return f"{what}: {feature.name} {now:.3g} {feature.unit}, usual {low:.3g} to {high:.3g}"
