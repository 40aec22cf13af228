"""Which tags and attributes are understood; all others are refused by name, wherever they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ros2cli.errors import LaunchError
from ros2cli.substitutions import parse
from ros2cli.xml_file import Element, read_xml

_CONDITION = frozenset({"if", "unless"})
_PROCESS = _CONDITION | {
    "cwd",
    "name",
    "on_exit",
    "output",
    "respawn",
    "respawn_delay",
    "respawn_max_retries",
    "sigkill_timeout",
    "sigterm_timeout",
}
# their values are text as it stands
_PLAIN_ATTRIBUTES = {("arg", "description"), ("arg", "name"), ("choice", "value")}


@dataclass
class _Tag:
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    children: Mapping[str, _Tag] = field(default_factory=dict)


def _tag(
    *required: str,
    optional: frozenset[str] = frozenset(),
    children: Mapping[str, _Tag] | None = None,
) -> _Tag:
    return _Tag(frozenset(required), optional, children or {})


_NAME_VALUE = _tag("name", "value")
_PARAM = _tag(optional=frozenset({"name", "value", "type", "from"}))
_PARAM.children = {"param": _PARAM}
_NAMESPACE = _tag("namespace", optional=_CONDITION)
_REMAP = _tag("from", "to")
_ACTIONS: dict[str, _Tag] = {
    "arg": _tag(
        "name",
        optional=_CONDITION | {"default", "description"},
        children={"choice": _tag("value")},
    ),
    "executable": _tag("cmd", optional=_PROCESS, children={"env": _NAME_VALUE}),
    "include": _tag("file", optional=_CONDITION, children={"arg": _NAME_VALUE}),
    "let": _tag("name", "value", optional=_CONDITION),
    "log": _tag("message", optional=_CONDITION),
    "node": _tag(
        "exec",
        optional=_PROCESS | {"pkg", "namespace", "exec_name", "args", "ros_args"},
        children={"env": _NAME_VALUE, "param": _PARAM, "remap": _REMAP},
    ),
    "push-ros-namespace": _NAMESPACE,
    "push_ros_namespace": _NAMESPACE,
    "set_env": _tag("name", "value", optional=_CONDITION),
    "set_parameter": _tag("name", "value", optional=_CONDITION),
    "set_remap": _tag("from", "to", optional=_CONDITION),
    "unset_env": _tag("name", optional=_CONDITION),
}
_ACTIONS["group"] = _tag(optional=_CONDITION | {"scoped"}, children=_ACTIONS)
_LAUNCH = _tag(children=_ACTIONS)


def load_launch_file(path: Path) -> Element:
    """The checked root element of a launch file.

    Raises:
        LaunchError: no XML, another root than ``launch``, or something that is not understood.
    """
    if path.suffix != ".xml":
        raise LaunchError("only XML launch files are understood here", where=str(path))
    root = read_xml(path)
    if root.tag != "launch":
        raise root.error(f"expected <launch> as root tag, got <{root.tag}>")
    _check(root, _LAUNCH)
    return root


def _check(element: Element, tag: _Tag) -> None:
    for name, text in element.attributes.items():
        if name not in tag.required | tag.optional:
            raise element.error(f"attribute '{name}' of <{element.tag}> is not understood here")
        if (element.tag, name) not in _PLAIN_ATTRIBUTES:
            try:
                parse(text)
            except LaunchError as error:
                raise error.at(element.where) from None
    for name in sorted(tag.required - set(element.attributes)):
        raise element.error(f"<{element.tag}> needs the attribute '{name}'")
    if set(element.attributes) >= _CONDITION:
        raise element.error("if and unless cannot be used together")
    for child in element.children:
        if child.tag not in tag.children:
            raise child.error(f"<{child.tag}> in <{element.tag}> is not understood here")
        _check(child, tag.children[child.tag])
