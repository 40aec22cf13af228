r"""Texts with ``$(name argument ...)`` in them.

An argument is a run of characters without spaces, or quoted; substitutions nest. A backslash
makes the next character ordinary.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
)

from ros2cli.errors import LaunchError

_NUM_ARGUMENTS = {
    "and": (2, 2),
    "dirname": (0, 0),
    "env": (1, 2),
    "find-pkg-prefix": (1, 1),
    "find-pkg-share": (1, 1),
    "not": (1, 1),
    "or": (2, 2),
    "var": (1, 2),
}
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Call:
    """One substitution and its arguments, which are templates."""

    name: str
    arguments: tuple[Template, ...]


Template = tuple[str | Call, ...]


@dataclass(frozen=True)
class Surroundings:
    """What substitutions look at."""

    configurations: Mapping[str, str]
    environment: Mapping[str, str]
    directory: str


def parse(text: str) -> Template:
    """A text taken apart.

    Raises:
        LaunchError: not well-formed, an unknown substitution, or too many or few arguments.
    """
    reader = _Reader(text)
    template = reader.template(end="")
    return template or ("",)


def perform(template: Template, around: Surroundings) -> str:
    """A template with everything put in.

    Raises:
        LaunchError: something named is not there.
    """
    return "".join(
        part if isinstance(part, str) else _perform_call(part, around) for part in template
    )


def perform_command(template: Template, around: Surroundings) -> list[str]:
    """The words of a command line; what a substitution gives is never split."""
    words: list[list[str]] = [[]]
    for part in template:
        if isinstance(part, Call):
            words[-1].append(perform((part,), around))
            continue
        if part[:1].isspace():
            words.append([])
        try:
            tokens = shlex.split(part)
        except ValueError as error:
            raise LaunchError(f"'{part}' cannot be split into words: {error}") from error
        for i, token in enumerate(tokens):
            if i > 0:
                words.append([])
            words[-1].append(token)
        if part[-1:].isspace():
            words.append([])
    return ["".join(word) for word in words if word]


def _perform_call(call: Call, around: Surroundings) -> str:
    arguments = [perform(argument, around) for argument in call.arguments]
    return _FUNCTIONS[call.name](around, *arguments)


def _var(around: Surroundings, name: str, default: str | None = None) -> str:
    value = around.configurations.get(name, default)
    if value is None:
        raise LaunchError(f"launch configuration '{name}' does not exist")
    return value


def _env(around: Surroundings, name: str, default: str | None = None) -> str:
    value = around.environment.get(name, default)
    if value is None:
        raise LaunchError(f"environment variable '{name}' does not exist")
    return value


def _find(where: Callable[[str], str]) -> Callable[[Surroundings, str], str]:
    def find(_: Surroundings, package: str) -> str:
        try:
            return where(package)
        except (PackageNotFoundError, ValueError) as error:
            raise LaunchError(f"package '{package}' not found: {error}") from error

    return find


def bool_of(text: str) -> bool:
    """Truth of a word: 1, 0, or what YAML takes for true and false.

    Raises:
        LaunchError: neither.
    """
    value = load_yaml({"1": "true", "0": "false"}.get(text, text))
    if not isinstance(value, bool):
        raise LaunchError(f"'{text}' is neither true nor false")
    return value


def load_yaml(text: str) -> Any:
    """The value that YAML reads from a text.

    Raises:
        LaunchError: it is not YAML.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise LaunchError(f"'{text}' is not YAML: {error}") from error


_FUNCTIONS: dict[str, Callable[..., str]] = {
    "and": lambda _, left, right: str(bool_of(left) and bool_of(right)).lower(),
    "dirname": lambda around: around.directory,
    "env": _env,
    "find-pkg-prefix": _find(get_package_prefix),
    "find-pkg-share": _find(get_package_share_directory),
    "not": lambda _, value: str(not bool_of(value)).lower(),
    "or": lambda _, left, right: str(bool_of(left) or bool_of(right)).lower(),
    "var": _var,
}


class _Reader:
    """Recursive descent over one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def template(self, *, end: str) -> Template:
        """Everything up to an unescaped character of ``end``, which is left to be read."""
        parts: list[str | Call] = []
        literal = ""
        while self._at < len(self._text) and self._text[self._at] not in end:
            if self._text.startswith("$(", self._at):
                parts += [literal, self._call()]
                literal = ""
                continue
            is_escape = self._text[self._at] == "\\" and self._at + 1 < len(self._text)
            self._at += int(is_escape)
            literal += self._text[self._at]
            self._at += 1
        return tuple(part for part in [*parts, literal] if part != "")

    def _call(self) -> Call:
        name = _IDENTIFIER.match(self._text, self._at + 2)
        if name is None:
            raise self._error("a name is expected after '$('")
        self._at = name.end()
        arguments = []
        while self._next() == " ":
            arguments.append(self._argument())
        if self._next() != ")":
            raise self._error("')' is missing")
        self._at += 1
        if name[0] not in _NUM_ARGUMENTS:
            raise LaunchError(f"substitution $({name[0]}) is not understood here")
        fewest, most = _NUM_ARGUMENTS[name[0]]
        if not fewest <= len(arguments) <= most:
            raise self._error(f"$({name[0]}) does not take {len(arguments)} arguments")
        return Call(name[0], tuple(arguments))

    def _argument(self) -> Template:
        self._at += 1
        quote = self._next()
        if quote in {"'", '"'}:
            self._at += 1
            argument = self.template(end=quote)
            if self._next() != quote:
                raise self._error(f"{quote} is missing")
            self._at += 1
            return argument or ("",)
        argument = self.template(end=" ()'\"")
        if not argument:
            raise self._error("an argument is expected after a space")
        return argument

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _error(self, text: str) -> LaunchError:
        return LaunchError(f"'{self._text}', character {self._at + 1}: {text}")
