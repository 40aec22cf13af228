"""What a version of a model loses and gains, and whether that is refused."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from perception_stack import networks
from perception_stack.datatypes import ColorImage
from perception_stack.detection.manifest import Manifest
from perception_stack.detection.quantisation.search import Search
from perception_stack.evaluation.precision_change import ClassChange, compare_precision
from perception_stack.pipeline.quantisation.pictures import Pictures, boxes_of, detector_of

_BACKENDS = ("onnxruntime", "openvino")
_ROUNDS, _FEWEST_IMAGES = 40, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Time of one image, from the image to the boxes, in turns.

    Attributes:
        backend: Library that runs the network.
        before_ms: Median of the float model.
        after_ms: Median of the new version.
        ratio: Median over turns of the new version's time in that of the float model.
    """

    backend: str
    before_ms: float
    after_ms: float
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Everything there is to say about a version of a model.

    Attributes:
        model: Its name.
        precision: ``int8`` or ``fp16``.
        truth: What the boxes were compared with.
        num_calibrating: Images that calibrated.
        num_judging: Images that judged, others.
        max_loss: Most that may be lost.
        changes: By back end, average precision, "all" first.
        timings: By back end.
        bytes_before: Size of the float model's file.
        bytes_after: Size of the new file.
        has_vnni: Whether this processor multiplies 8-bit integers at once; None where unknown.
        search: What was tried; None for 16-bit floats.
    """

    model: str
    precision: str
    truth: str
    num_calibrating: int
    num_judging: int
    max_loss: float
    changes: Mapping[str, Sequence[ClassChange]]
    timings: Sequence[Timing]
    bytes_before: int
    bytes_after: int
    has_vnni: bool | None
    search: Search | None

    @property
    def refusal(self) -> str:
        """Why the version is not to be used, naming what lost; empty if it may be."""
        return "; ".join(
            f"{backend}: {why}"
            for backend, changes in self.changes.items()
            if (why := refusal(changes, self.max_loss))
        )


def refusal(changes: Sequence[ClassChange], max_loss: float) -> str:
    """Why these losses are too much; empty if they are not.

    The mean over classes may not lose more than ``max_loss``. A class may not for certain: few
    objects make a loss that chance explains, and an interval from fewer than five images is none.
    """
    if not changes:
        return "nothing to judge by: no object in the images that judge"
    whole, *classes = changes
    lost = [one for one in classes if one.num_images >= _FEWEST_IMAGES and -one.high > max_loss]
    if whole.loss <= max_loss and not lost:
        return ""
    named = lost or sorted(classes, key=lambda one: -one.loss)[:3]
    listed = ", ".join(
        f"{one.name} {one.before:.3f} -> {one.after:.3f} ({one.num_truth} objects)"
        for one in named
    )
    return f"mean loss {whole.loss:.4f}, allowed {max_loss:g}; worst: {listed}"


def judge(
    manifest: Manifest,
    file: Path,
    pictures: Pictures,
    *,
    precision: str,
    truth: str,
    num_calibrating: int,
    max_loss: float,
    search: Search | None,
) -> Judgement:
    """Compare a version of a model with the float model, in boxes, time and size.

    Args:
        manifest: The float model.
        file: The new version.
        pictures: Images that judge.
        precision: Of the new version.
        truth: What the truth of the pictures is, for people.
        num_calibrating: Images that calibrated.
        max_loss: Most that may be lost.
        search: How the version was found.
    """
    usable = [one for one in _BACKENDS if networks.is_installed(one)]
    changes = {
        name: compare_precision(
            pictures.judged(pictures.before),
            pictures.judged(boxes_of(manifest, pictures.images, file=file, backend=name)),
        )
        for name in usable
    }
    return Judgement(
        model=manifest.name,
        precision=precision,
        truth=truth,
        num_calibrating=num_calibrating,
        num_judging=len(pictures.images),
        max_loss=max_loss,
        changes=changes,
        timings=[_timing(manifest, file, pictures.images[0], name) for name in usable],
        bytes_before=manifest.file.stat().st_size,
        bytes_after=file.stat().st_size,
        has_vnni=has_vnni(),
        search=search,
    )


def _timing(manifest: Manifest, file: Path, image: ColorImage, backend: str) -> Timing:
    detectors = [
        detector_of(one, backend=backend) for one in (manifest, replace(manifest, file=file))
    ]
    spent_ms = np.empty((_ROUNDS, 2))
    for i in range(_ROUNDS):
        for j in (0, 1) if i % 2 else (1, 0):
            start = time.perf_counter()
            detectors[j].detect(image)
            spent_ms[i, j] = 1e3 * (time.perf_counter() - start)
    before_ms, after_ms = np.median(spent_ms, axis=0)
    return Timing(
        backend=backend,
        before_ms=float(before_ms),
        after_ms=float(after_ms),
        ratio=float(np.median(spent_ms[:, 1] / spent_ms[:, 0])),
    )


def has_vnni() -> bool | None:
    """Whether this x86 processor has instructions for 8-bit dot products; None where unknown."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return None
    flags = next((line for line in text.splitlines() if line.startswith("flags")), None)
    return None if flags is None else "vnni" in flags
