"""What holds at one place of a launch file: arguments, environment, namespace, parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ros2cli.errors import LaunchError
from ros2cli.parameters import Scalar
from ros2cli.substitutions import Surroundings, Template, parse, perform, perform_command
from ros2cli.xml_file import Element

_NAMESPACE_KEY = "ros_namespace"
_NAMESPACE = re.compile(r"/|(/[A-Za-z_][A-Za-z0-9_]*)+")
_CONDITIONS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Scope:
    """The state that actions change; a scoped group works on a copy.

    An included file shares all of it but the folder, as in ``launch``: its arguments stay set
    after it, unless the include is in a group.
    """

    configurations: dict[str, str]
    environment: dict[str, str]
    params: list[tuple[str, Scalar]]
    remaps: list[tuple[str, str]]
    directory: str

    def copy(self) -> Scope:
        """A scope whose changes are not seen here."""
        return Scope(
            configurations=dict(self.configurations),
            environment=dict(self.environment),
            params=list(self.params),
            remaps=list(self.remaps),
            directory=self.directory,
        )

    def in_directory(self, directory: str) -> Scope:
        """The same state, seen from a file in another folder."""
        return replace(self, directory=directory)

    @property
    def namespace(self) -> str | None:
        """Absolute namespace that nodes are put into; None where nothing says so."""
        return self.configurations.get(_NAMESPACE_KEY)

    def push_namespace(self, namespace: str) -> None:
        """Go down into a namespace, or to an absolute one."""
        self.configurations[_NAMESPACE_KEY] = join_namespace(self.namespace, namespace) or "/"

    def perform(self, template: Template) -> str:
        """A template with everything put in."""
        around = Surroundings(self.configurations, self.environment, self.directory)
        return perform(template, around)

    def text(self, element: Element, name: str) -> str:
        """Value of an attribute with everything put in."""
        return self.perform(parse(element.attributes[name]))

    def optional_text(self, element: Element, name: str) -> str | None:
        """As :meth:`text`; None where there is no such attribute."""
        return self.text(element, name) if name in element.attributes else None

    def command(self, element: Element, name: str) -> list[str]:
        """Words of an attribute; none where there is no such attribute."""
        around = Surroundings(self.configurations, self.environment, self.directory)
        return perform_command(parse(element.attributes.get(name, "")), around)

    def is_wanted(self, element: Element) -> bool:
        """What the attributes ``if`` and ``unless`` say.

        Raises:
            LaunchError: neither true, false, 1 nor 0.
        """
        for name, wanted in (("if", True), ("unless", False)):
            text = self.optional_text(element, name)
            if text is None:
                continue
            word = text.strip().lower()
            if word not in _CONDITIONS:
                raise element.error(f"{name}='{text}' is none of {', '.join(_CONDITIONS)}")
            return _CONDITIONS[word] == wanted
        return True


def join_namespace(base: str | None, namespace: str | None) -> str | None:
    """A namespace seen from another one, absolute; None where both are.

    Raises:
        LaunchError: the result is no namespace.
    """
    if namespace is None or not base or namespace.startswith("/"):
        joined = base if namespace is None else namespace
    else:
        joined = f"{base.rstrip('/')}/{namespace}"
    if joined is None:
        return None
    joined = f"/{joined.strip('/')}"
    if not _NAMESPACE.fullmatch(joined):
        raise LaunchError(f"'{joined}' is no namespace")
    return joined
