"""From a launch file to the processes that it wants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ros2cli.errors import LaunchError
from ros2cli.log import LaunchLog
from ros2cli.parameters import global_value
from ros2cli.processes import Process, process_of
from ros2cli.schema import load_launch_file
from ros2cli.scope import Scope
from ros2cli.substitutions import bool_of
from ros2cli.xml_file import Element


class Interpreter:
    """Visits the tags of a launch file in order; nothing is started until all are understood.

    Args:
        log: Where ``<log>`` and warnings go.
        params_dir: Folder for parameter files; they must live as long as the processes.
    """

    def __init__(self, *, log: LaunchLog, params_dir: Path) -> None:
        self.processes: list[Process] = []
        self._log = log
        self._params_dir = params_dir
        self._actions = {
            "arg": self._arg,
            "executable": self._process,
            "group": self._group,
            "include": self._include,
            "let": self._let,
            "log": self._say,
            "node": self._process,
            "push-ros-namespace": self._push_namespace,
            "push_ros_namespace": self._push_namespace,
            "set_env": self._set_env,
            "set_parameter": self._set_parameter,
            "set_remap": self._set_remap,
            "unset_env": self._unset_env,
        }

    def launch(
        self, path: Path, arguments: Mapping[str, str], environment: Mapping[str, str]
    ) -> list[Process]:
        """Everything that a launch file starts.

        Args:
            path: The file.
            arguments: Values of its arguments.
            environment: Variables of the processes.

        Raises:
            LaunchError: something that is wrong or not understood, with its place.
        """
        scope = Scope({}, dict(environment), [], [], directory="")
        self._launch_file(path, arguments, scope)
        return self.processes

    def _launch_file(self, path: Path, arguments: Mapping[str, str], scope: Scope) -> None:
        root = load_launch_file(path)
        for arg, is_conditional in declared_arguments(root):
            is_missing = (
                arg.attributes["name"] not in arguments and "default" not in arg.attributes
            )
            if is_missing and not is_conditional:
                msg = (
                    f"missing required argument '{arg.attributes['name']}' "
                    f"(description: '{describe(arg)}'), given: [{', '.join(arguments)}]"
                )
                raise arg.error(msg)
        scope.configurations.update(arguments)
        self._visit_all(root, scope.in_directory(str(path.absolute().parent)))

    def _visit_all(self, parent: Element, scope: Scope) -> None:
        for element in parent.children:
            try:
                if scope.is_wanted(element):
                    self._actions[element.tag](element, scope)
            except LaunchError as error:
                raise error.at(element.where) from None

    def _arg(self, element: Element, scope: Scope) -> None:
        name = element.attributes["name"]
        if name not in scope.configurations:
            if "default" not in element.attributes:
                raise element.error(f"required launch argument '{name}' was not provided")
            scope.configurations[name] = scope.text(element, "default")
        choices = [choice.attributes["value"] for choice in element.children]
        value = scope.configurations[name]
        if choices and value not in choices:
            msg = f"argument '{name}': value '{value}' is not valid; valid options are {choices}"
            raise element.error(msg)

    def _let(self, element: Element, scope: Scope) -> None:
        scope.configurations[scope.text(element, "name")] = scope.text(element, "value")

    def _include(self, element: Element, scope: Scope) -> None:
        arguments = {scope.text(arg, "name"): scope.text(arg, "value") for arg in element.children}
        self._launch_file(Path(scope.text(element, "file")), arguments, scope)

    def _group(self, element: Element, scope: Scope) -> None:
        is_scoped = bool_of(element.attributes.get("scoped", "true"))
        self._visit_all(element, scope.copy() if is_scoped else scope)

    def _push_namespace(self, element: Element, scope: Scope) -> None:
        scope.push_namespace(scope.text(element, "namespace"))

    def _set_env(self, element: Element, scope: Scope) -> None:
        scope.environment[scope.text(element, "name")] = scope.text(element, "value")

    def _unset_env(self, element: Element, scope: Scope) -> None:
        scope.environment.pop(scope.text(element, "name"), None)

    def _set_parameter(self, element: Element, scope: Scope) -> None:
        value = global_value(scope.text(element, "value"))
        scope.params.append((scope.text(element, "name"), value))

    def _set_remap(self, element: Element, scope: Scope) -> None:
        scope.remaps.append((scope.text(element, "from"), scope.text(element, "to")))

    def _say(self, element: Element, scope: Scope) -> None:
        self._log.say("INFO", "launch.user", scope.text(element, "message"))

    def _process(self, element: Element, scope: Scope) -> None:
        process = process_of(
            element,
            scope,
            number=len(self.processes) + 1,
            params_dir=self._params_dir,
            warn=lambda text: self._log.say("WARNING", "launch", text),
        )
        self.processes.append(process)


def declared_arguments(
    parent: Element, *, is_conditional: bool = False
) -> Iterator[tuple[Element, bool]]:
    """The ``<arg>`` tags of a file and its groups, and whether they stand behind a condition."""
    for element in parent.children:
        is_behind = is_conditional or not {"if", "unless"}.isdisjoint(element.attributes)
        if element.tag == "arg":
            yield element, is_behind
        elif element.tag == "group":
            yield from declared_arguments(element, is_conditional=is_behind)


def describe(arg: Element) -> str:
    """What is said about an argument, with its choices."""
    text = arg.attributes.get("description", "")
    choices = [choice.attributes["value"] for choice in arg.children]
    if not choices:
        return text or "no description given"
    if not text:
        return f"One of: {choices}"
    return f"{text}{'' if text.endswith('.') else '.'} Valid choices are: {choices}"
