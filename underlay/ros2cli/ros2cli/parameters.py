"""Types of parameter values, by the rules of ``launch_ros``.

Without a ``type``, a value is what YAML takes it for: ``true`` is a bool, ``1`` an int, ``1.5`` a
float, ``'1'`` and ``text`` are strings. A float parameter therefore needs ``1.0``, not ``1``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ros2cli.errors import LaunchError
from ros2cli.substitutions import Call, Template, bool_of, load_yaml, parse
from ros2cli.xml_file import Element

Scalar = bool | int | float | str
_SCALARS: dict[str, type] = {"str": str, "bool": bool, "int": int, "float": float}
_LISTS = {f"list_of_{name}": kind for name, kind in _SCALARS.items()}
_Perform = Callable[[Template], str]


def parameters_of(param: Element, perform: _Perform) -> dict[str, Scalar | list[Scalar]]:
    """What one ``<param name=...>`` sets; names of nested tags are joined by dots.

    Raises:
        LaunchError: a value of the wrong type, or both or neither of value and nested tags.
    """
    text = param.attributes.get("value")
    if "name" not in param.attributes or "from" in param.attributes:
        raise param.error("a nested <param> needs the attribute 'name' and cannot have 'from'")
    if (text is None) == (not param.children):
        raise param.error("<param> needs either the attribute 'value' or <param> tags in it")
    name = perform(parse(param.attributes["name"]))
    if text is None:
        nested = [parameters_of(child, perform) for child in param.children]
        return {f"{name}.{inner}": value for each in nested for inner, value in each.items()}
    try:
        return {name: parameter_value(text, param.attributes.get("type", "yaml"), perform)}
    except LaunchError as error:
        raise error.at(param.where) from None


def parameter_value(text: str, kind: str, perform: _Perform) -> Scalar | list[Scalar]:
    """A value of ``<param>``.

    Args:
        text: As it stands in the file.
        kind: What the attribute ``type`` says, ``"yaml"`` where there is none.
        perform: Puts in what a template names.

    Raises:
        LaunchError: it is not of this type.
    """
    if kind in _SCALARS:
        return _scalar(perform(parse(text)), kind)
    if kind not in {"yaml", *_LISTS}:
        raise LaunchError(f"type '{kind}' is none of {', '.join([*_SCALARS, *_LISTS, 'yaml'])}")
    value = _best_reading(text)
    if isinstance(value, list):
        # quoted items stay text; items with substitutions are read again
        value = [_best_reading(perform(parse(i))) if _has_call(i) else i for i in value]
    elif _has_call(value):
        value = load_yaml(perform(parse(value))) if perform(parse(value)) else ""
    elif isinstance(value, str):
        value = perform(parse(value))
    return _checked(value, text, kind)


def global_value(text: str) -> Scalar:
    """A value of ``<set_parameter>``, its substitutions performed.

    Raises:
        LaunchError: it is not a scalar.
    """
    value = load_yaml(text) if text else ""
    if not isinstance(value, tuple(_SCALARS.values())):
        raise LaunchError(f"'{text}' is no bool, int, float or str")
    return value


def _scalar(text: str, kind: str) -> Scalar:
    if kind == "bool":
        return bool_of(text)
    try:
        return _SCALARS[kind](text)
    except ValueError as error:
        raise LaunchError(f"'{text}' is no {kind}") from error


def _best_reading(text: str) -> Any:
    """What YAML takes it for; the text itself where it is empty or not YAML."""
    try:
        return load_yaml(text) if text else text
    except LaunchError:
        return text


def _has_call(value: Any) -> bool:
    return isinstance(value, str) and any(isinstance(part, Call) for part in parse(value))


def _checked(value: Any, text: str, kind: str) -> Scalar | list[Scalar]:
    if isinstance(value, list):
        types = {type(item) for item in value}
        wanted = {_LISTS[kind]} if kind in _LISTS else set(_SCALARS.values())
        if len(types) <= 1 and types <= wanted:
            return value
    elif kind == "yaml" and isinstance(value, tuple(_SCALARS.values())):
        return value
    wanted_text = "bool, int, float, str or a list of one of these" if kind == "yaml" else kind
    raise LaunchError(f"'{text}' is no {wanted_text}")
