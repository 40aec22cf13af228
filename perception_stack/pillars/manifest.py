"""The manifest of a network on pillars: one YAML file, checked key by key.

See ``config/models/`` for examples; what each key means stands with the class of
:mod:`perception_stack.pillars.spec` that it fills.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from perception_stack.errors import ModelLoadError
from perception_stack.networks.manifest_files import check_keys, read_yaml
from perception_stack.pillars.spec import (
    HEADINGS,
    PICKS,
    POINT_FEATURES,
    Anchor,
    AnchorHead,
    Block,
    Branch,
    CenterHead,
    Errors,
    Grid,
    Head,
    Manifest,
    Reading,
    Sensor,
    Trunk,
)

FAMILIES = ("pointpillars", "centerpoint")
_T = TypeVar("_T")
_DEFAULTS: dict[type, dict[str, Any]] = {
    Grid: {"pick": "first", "intensity_scale": 1.0},
    Branch: {"plain": False},
    AnchorHead: {"align": "centers"},
    CenterHead: {"convs": 1, "kernel": 3, "channels": 0, "heading": "yaw"},
    Reading: {"candidates": 500, "max_boxes": 200, "per_class": True},
    Sensor: {"ground_z_m": None},
    Errors: {"flipped": 0.5},
    Manifest: {"class_map": {}},
}


def load_manifest(path: Path, *, model_dir: Path | None = None) -> Manifest:
    """Read and check a manifest.

    Args:
        path: The YAML file.
        model_dir: Folder of the model file; that of the manifest if None.

    Raises:
        ModelLoadError: the manifest cannot be read, lacks something, has something unknown, or
            two things in it do not fit together.
    """
    content = read_yaml(path)
    if isinstance(content, dict) and content.get("family") not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ModelLoadError(path, f"family '{content.get('family')}' is none of {known}")
    try:
        manifest = _manifest(content, path, model_dir or path.parent)
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelLoadError(path, f"malformed manifest: {error}") from error
    _check(manifest, path)
    return manifest


def _manifest(content: Any, path: Path, folder: Path) -> Manifest:
    values = _filled(Manifest, content, path, "the manifest", extra={"family"})
    family = values.pop("family")
    classes = tuple(str(one) for one in values["classes"])
    values["classes"] = classes
    values["class_map"] = {str(a): str(b) for a, b in values["class_map"].items()}
    values["file"] = folder / str(values["file"])
    values["grid"] = _part(Grid, values["grid"], path, "'grid'")
    values["trunk"] = _trunk(values["trunk"], path)
    values["head"] = _head(family, values["head"], classes, path)
    values["reading"] = _part(Reading, values["reading"], path, "'reading'")
    values["sensor"] = _part(Sensor, values["sensor"], path, "'sensor'")
    values["errors"] = _by_class(Errors, values["errors"], classes, path, "'errors'")
    return Manifest(**values)


def _trunk(content: Any, path: Path) -> Trunk:
    values = _filled(Trunk, content, path, "'trunk'")
    values["pillar_channels"] = tuple(int(one) for one in values["pillar_channels"])
    values["blocks"] = tuple(_part(Block, one, path, "'blocks'") for one in values["blocks"])
    values["branches"] = tuple(
        _part(Branch, one, path, "'branches'") for one in values["branches"]
    )
    return Trunk(**values)


def _head(family: str, content: Any, classes: tuple[str, ...], path: Path) -> Head:
    if family == "centerpoint":
        return _part(CenterHead, content, path, "'head'")
    values = _filled(AnchorHead, content, path, "'head'")
    values["anchors"] = _by_class(Anchor, values["anchors"], classes, path, "'anchors'")
    return AnchorHead(**values)


def _by_class(
    kind: Callable[..., _T], content: Any, classes: tuple[str, ...], path: Path, what: str
) -> tuple[_T, ...]:
    """One for each class, in the order of the classes."""
    if not isinstance(content, Mapping) or set(content) != set(classes):
        raise ModelLoadError(path, f"{what} has not one entry for each of {', '.join(classes)}")
    return tuple(_part(kind, content[one], path, f"{what}, {one},") for one in classes)


def _part(kind: Callable[..., _T], content: Any, path: Path, what: str) -> _T:
    values = _filled(kind, content, path, what)
    return kind(**{key: _frozen(value) for key, value in values.items()})


def _filled(
    kind: Any, content: Any, path: Path, what: str, *, extra: set[str] | None = None
) -> dict[str, Any]:
    """The values of a mapping with defaults, all keys known and none missing."""
    known = {one.name for one in fields(kind) if one.default is MISSING} | (extra or set())
    defaults = _DEFAULTS.get(kind, {})
    check_keys(content, known - set(defaults), set(defaults), path, what)
    return {**defaults, **content}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check(manifest: Manifest, path: Path) -> None:
    """What only shows when parts are held beside each other.

    Raises:
        ModelLoadError: they do not fit together.
    """
    grid, trunk, head = manifest.grid, manifest.trunk, manifest.head
    low, high = grid.range_m[:3], grid.range_m[3:]
    num_x, num_y = grid.num_xy
    reach = [num_x * grid.pillar_m[0], num_y * grid.pillar_m[1]]
    scales = [one.scale for one in trunk.branches]
    strides, stride = [], 1
    for block in trunk.blocks:
        stride *= block.stride
        strides.append(stride)
    checks = [
        (
            len(grid.range_m) == 6 and all(a < b for a, b in zip(low, high, strict=True)),
            "range_m is three lowest and three highest coordinates",
        ),
        (
            all(abs(reach[i] - (high[i] - low[i])) < 1e-3 for i in range(2)),
            f"range_m is not a whole number of pillars of {list(grid.pillar_m)} m",
        ),
        (grid.pick in PICKS, f"pick is one of {', '.join(PICKS)}"),
        (
            set(grid.features) <= set(POINT_FEATURES) and len(grid.features) > 0,
            f"features are some of {', '.join(POINT_FEATURES)}",
        ),
        (len(scales) == len(strides), "there is one branch for each block"),
        (
            len({one / scale for one, scale in zip(strides, scales, strict=False)}) == 1,
            "strides of the blocks and scales of the branches lead to different maps",
        ),
        (
            num_x % strides[-1] == 0 and num_y % strides[-1] == 0,
            f"{num_x} x {num_y} pillars cannot be divided by a stride of {strides[-1]}",
        ),
        (
            len(set(manifest.classes)) == len(manifest.classes) > 0,
            "class names are missing or repeated",
        ),
        (
            not isinstance(head, CenterHead) or sum(head.tasks) == len(manifest.classes),
            "tasks do not add up to the number of classes",
        ),
        (
            not isinstance(head, CenterHead) or head.heading in HEADINGS,
            f"heading is one of {', '.join(HEADINGS)}",
        ),
        (
            not isinstance(head, AnchorHead) or head.align in {"centers", "corners"},
            "align is centers or corners",
        ),
        (0 < manifest.reading.score_threshold < 1, "score_threshold is between 0 and 1"),
    ]
    for holds, why in checks:
        if not holds:
            raise ModelLoadError(path, why)
