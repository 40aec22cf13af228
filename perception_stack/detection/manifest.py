"""The model manifest: one YAML file says how a network is fed and how its output is read.

See ``config/models/`` for examples. Every key is checked; an unknown one is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perception_stack.errors import ModelLoadError
from perception_stack.networks.manifest_files import check_keys, read_yaml

RESIZES = ("letterbox", "letterbox_center", "stretch")
COLOURS = ("bgr", "rgb")
_REQUIRED = frozenset({"name", "file", "family", "input", "licence", "card"})
_OPTIONAL = frozenset(
    {
        "strides", "outputs", "logits", "classes", "prompts", "keypoints", "class_map",
        "score_threshold", "nms_iou", "max_detections", "runtime",
    }
)  # fmt: skip
_RUNTIME = frozenset({"num_threads", "spin_us"})
_PROMPTS = frozenset({"name", "file", "slots"})
_INPUT_REQUIRED = frozenset({"name", "width_px", "height_px", "colour", "resize"})
_INPUT_OPTIONAL = frozenset({"pad", "mean", "std", "size_name", "batch_axis"})
_MOST_DETECTIONS = 65535  # that a label image can tell apart


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """How an image becomes the network's input, float32 [1, 3, height_px, width_px].

    Attributes:
        name: Name of the tensor.
        width_px: Width.
        height_px: Height.
        colour: Channel order, one of :data:`COLOURS`.
        resize: ``letterbox`` keeps the aspect ratio, image at the top left; ``letterbox_center``
            puts it in the middle; ``stretch`` does not keep the ratio.
        pad: Grey value beside the image.
        mean: Subtracted from each channel, in grey values.
        std: Each channel is divided by it.
        size_name: Name of a second input that takes width and height, int64 [1, 2], as networks
            have that give boxes in pixels of any image; empty: there is none.
        batch_axis: False where the file takes [3, height_px, width_px], one image and no axis for
            several.
    """

    name: str
    width_px: int
    height_px: int
    colour: str
    resize: str
    pad: float = 114.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    size_name: str = ""
    batch_axis: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSpec:
    """The input of a network whose classes are chosen by text, as its embeddings.

    Attributes:
        name: Name of the tensor, float32 [1, slots, width]; a class for each slot.
        file: NumPy archive (.npz) that holds the embedding, float32 [width], of each prompt under
            the prompt itself.
        slots: Classes there is room for; those without a prompt are never reported.
    """

    name: str
    file: Path
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSpec:
    """How the network runs best on a processor, as ``benchmarks/detection.py`` finds it.

    Attributes:
        num_threads: Threads; more than the network can use cost and bring nothing.
        spin_us: For how long an idle thread waits for work in a loop before it sleeps. Longer
            than the gaps within the network it only takes time from the rest of the robot.
    """

    num_threads: int = 1
    spin_us: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything there is to know about one model.

    Attributes:
        name: Of the model.
        file: The model; also names the files of other back ends beside it.
        family: How the output is read, a key of ``decoders.DECODERS``.
        input: How the network is fed.
        strides: Pixels of input per cell of each output grid, finest first; empty for families
            that have no grids.
        outputs: What each output tensor is, in the order of the file; empty for the usual order
            of the family.
        logits: Whether class scores come without the sigmoid.
        classes: Names by class index, as the network was trained; of one with prompts, of the
            slots.
        prompts: Where prompts go in; None for networks whose classes are fixed.
        keypoints: Names of the keypoints, in the order of the network; empty where it has none.
        class_map: Other names for some classes on the way out.
        score_threshold: Least score of a detection.
        nms_iou: Overlap above which the weaker of two boxes of a class is a duplicate; 1 for
            networks that give each object once.
        max_detections: Most detections of one image, best first.
        runtime: How it runs best on a processor.
        licence: SPDX identifier of the weights' licence.
        card: The model card.
    """

    name: str
    file: Path
    family: str
    input: InputSpec
    strides: tuple[int, ...]
    outputs: tuple[str, ...]
    logits: bool
    classes: tuple[str, ...]
    prompts: PromptSpec | None
    keypoints: tuple[str, ...]
    class_map: dict[str, str]
    score_threshold: float
    nms_iou: float
    max_detections: int
    runtime: RuntimeSpec
    licence: str
    card: str


def load_manifest(path: Path, *, model_dir: Path | None = None) -> Manifest:
    """Read and check a manifest.

    Args:
        path: The YAML file.
        model_dir: Folder of the model file; that of the manifest if None.

    Raises:
        ModelLoadError: the manifest cannot be read, lacks something or has something unknown.
    """
    content = read_yaml(path)
    check_keys(content, _REQUIRED, _OPTIONAL, path, "the manifest")
    if ("classes" in content) == ("prompts" in content):
        raise ModelLoadError(path, "the manifest has either 'classes' or 'prompts'")
    check_keys(content["input"], _INPUT_REQUIRED, _INPUT_OPTIONAL, path, "'input'")
    try:
        prompts = _prompts(content["prompts"], path) if "prompts" in content else None
        slots = [f"slot {i}" for i in range(prompts.slots)] if prompts else None
        return Manifest(
            name=str(content["name"]),
            file=(model_dir or path.parent) / str(content["file"]),
            family=str(content["family"]),
            input=_input(content["input"], path),
            strides=tuple(int(one) for one in content.get("strides", ())),
            outputs=tuple(str(one) for one in content.get("outputs", ())),
            logits=bool(content.get("logits", False)),
            classes=_names(slots or content["classes"], path, "class names"),
            prompts=prompts,
            keypoints=_names(content["keypoints"], path, "keypoint names")
            if "keypoints" in content
            else (),
            class_map={str(a): str(b) for a, b in content.get("class_map", {}).items()},
            score_threshold=float(content.get("score_threshold", 0.3)),
            nms_iou=float(content.get("nms_iou", 0.45)),
            max_detections=_most(content.get("max_detections", 300), path),
            runtime=_runtime(content.get("runtime", {}), path),
            licence=str(content["licence"]),
            card=str(content["card"]),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelLoadError(path, f"malformed manifest: {error}") from error


def _input(content: dict[str, Any], path: Path) -> InputSpec:
    spec = InputSpec(
        **{
            **content,
            "mean": tuple(map(float, content.get("mean", (0, 0, 0)))),
            "std": tuple(map(float, content.get("std", (1, 1, 1)))),
        }
    )
    if spec.colour not in COLOURS or spec.resize not in RESIZES:
        text = f"colour is one of {', '.join(COLOURS)}; resize is one of {', '.join(RESIZES)}"
        raise ModelLoadError(path, text)
    if len(spec.mean) != 3 or len(spec.std) != 3 or not all(one > 0 for one in spec.std):
        raise ModelLoadError(path, "mean and std have three values, those of std above 0")
    return spec


def _runtime(content: Any, path: Path) -> RuntimeSpec:
    check_keys(content, frozenset(), _RUNTIME, path, "'runtime'")
    spec = RuntimeSpec(**content)
    if not all(type(one) is int for one in (spec.num_threads, spec.spin_us)) or not (
        spec.num_threads >= 1 and spec.spin_us >= 0
    ):
        raise ModelLoadError(path, "num_threads is a number from 1, spin_us one from 0")
    return spec


def _prompts(content: Any, path: Path) -> PromptSpec:
    check_keys(content, _PROMPTS, frozenset(), path, "'prompts'")
    slots = content["slots"]
    if type(slots) is not int or slots < 1:
        raise ModelLoadError(path, "slots of 'prompts' is a number from 1")
    file = path.parent / str(content["file"])
    return PromptSpec(name=str(content["name"]), file=file, slots=slots)


def _most(content: Any, path: Path) -> int:
    if type(content) is not int or not 1 <= content <= _MOST_DETECTIONS:
        raise ModelLoadError(path, f"max_detections is a number from 1 to {_MOST_DETECTIONS}")
    return content


def _names(content: Any, path: Path, what: str) -> tuple[str, ...]:
    """A list of names, or a text file with one name a line beside the manifest."""
    if isinstance(content, str):
        file = path.parent / content
        try:
            content = file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise ModelLoadError(path, f"{what}: {error}") from error
    names = tuple(str(one).strip() for one in content if str(one).strip())
    if len(set(names)) != len(names) or not names:
        raise ModelLoadError(path, f"{what} are missing or repeated")
    return names
