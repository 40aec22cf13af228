"""What an interpreted launch file amounts to: processes to start."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from ros2cli.errors import LaunchError
from ros2cli.parameters import parameters_of
from ros2cli.scope import Scope, join_namespace
from ros2cli.substitutions import bool_of
from ros2cli.xml_file import Element

_OUTPUTS = ("screen", "log", "both")
_NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEFAULT_TIMEOUT_S = "5"


@dataclass(frozen=True)
class Process:
    """One process, and what to do with its output, its end and at shutdown.

    Attributes:
        label: What its lines are prefixed with, and its number.
        command: Program and arguments.
        environment: All variables that it sees.
        cwd: Where it runs; here when None.
        output: ``screen``, ``log`` (errors also on the screen) or ``both``.
        respawn: Whether to start it again when it has ended.
        respawn_delay_s: Seconds to wait before.
        respawn_max_retries: How often; negative for ever.
        ends_launch: Whether everything shuts down when it has ended.
        sigterm_timeout_s: Seconds from SIGINT to SIGTERM.
        sigkill_timeout_s: Seconds from SIGTERM to SIGKILL.
    """

    label: str
    command: tuple[str, ...]
    environment: dict[str, str]
    cwd: str | None
    output: str
    respawn: bool
    respawn_delay_s: float
    respawn_max_retries: int
    ends_launch: bool
    sigterm_timeout_s: float
    sigkill_timeout_s: float


def process_of(
    element: Element, scope: Scope, *, number: int, params_dir: Path, warn: Callable[[str], None]
) -> Process:
    """The process of a ``<node>`` or ``<executable>``.

    Args:
        element: The tag.
        scope: What holds there.
        number: How many processes came before, plus one.
        params_dir: Folder for parameter files.
        warn: Told about what is left out.

    Raises:
        LaunchError: no such program, or a value that cannot be used.
    """
    if element.tag == "node":
        command = _node_command(element, scope, params_dir, warn)
        label = scope.optional_text(element, "exec_name")
    else:
        command = scope.command(element, "cmd")
        label = scope.optional_text(element, "name")
        if not command:
            raise element.error("cmd is empty")
    added = {
        scope.text(env, "name"): scope.text(env, "value") for env in element.children_of("env")
    }
    output = scope.environment.get("OVERRIDE_LAUNCH_PROCESS_OUTPUT") or (
        scope.optional_text(element, "output") or "log"
    )
    if output not in _OUTPUTS:
        raise element.error(f"output '{output}' is none of {', '.join(_OUTPUTS)}")
    on_exit = element.attributes.get("on_exit")
    if on_exit not in {None, "shutdown"}:
        raise element.error(f"on_exit '{on_exit}' can only be 'shutdown'")
    return Process(
        label=f"{label or Path(command[0]).name}-{number}",
        command=tuple(command),
        environment={**scope.environment, **added},
        cwd=scope.optional_text(element, "cwd"),
        output=output,
        respawn=bool_of(scope.optional_text(element, "respawn") or "false"),
        respawn_delay_s=_number(element, "respawn_delay", "0"),
        respawn_max_retries=int(_number(element, "respawn_max_retries", "-1", low=-1)),
        ends_launch=on_exit is not None,
        sigterm_timeout_s=_timeout(element, scope, "sigterm_timeout"),
        sigkill_timeout_s=_timeout(element, scope, "sigkill_timeout"),
    )


def find_executable(package: str, executable: str) -> str:
    """Path of a program of a package.

    Raises:
        LaunchError: no such package or program.
    """
    try:
        folder = Path(get_package_prefix(package)) / "lib" / package
    except (PackageNotFoundError, ValueError) as error:
        raise LaunchError(f"package '{package}' not found: {error}") from error
    found = which(executable, path=str(folder))
    if found is None:
        raise LaunchError(f"executable '{executable}' not found in '{folder}'")
    return found


def _node_command(
    element: Element, scope: Scope, params_dir: Path, warn: Callable[[str], None]
) -> list[str]:
    """The command line, in the order in which ``launch_ros`` builds it: later rules win."""
    executable = scope.text(element, "exec")
    package = scope.optional_text(element, "pkg")
    command = [executable if package is None else find_executable(package, executable)]
    command += scope.command(element, "args")
    if "ros_args" in element.attributes:
        command += ["--ros-args", *scope.command(element, "ros_args")]
    command += ["--ros-args"]
    name = scope.optional_text(element, "name")
    if name is not None:
        if not _NODE_NAME.fullmatch(name):
            raise element.error(f"'{name}' is no node name")
        command += ["-r", f"__node:={name}"]
    namespace = join_namespace(scope.namespace, scope.optional_text(element, "namespace"))
    if namespace is not None:
        command += ["-r", f"__ns:={namespace}"]
    for param, value in scope.params:
        command += ["-p", f"{param}:={value}"]
    full_name = None
    if name is not None and namespace is not None:
        full_name = f"{namespace.rstrip('/')}/{name}"
    for param_tag in element.children_of("param"):
        path = _params_file(param_tag, scope, full_name or "/**", params_dir)
        if Path(path).is_file():
            command += ["--params-file", path]
        else:
            warn(f"{param_tag.where}: Parameter file path is not a file: {path}")
    remaps = [(scope.text(r, "from"), scope.text(r, "to")) for r in element.children_of("remap")]
    for source, target in [*scope.remaps, *remaps]:
        command += ["-r", f"{source}:={target}"]
    return command


def _params_file(param: Element, scope: Scope, node: str, params_dir: Path) -> str:
    if "from" in param.attributes:
        if len(param.attributes) > 1 or param.children:
            raise param.error("'from' cannot be used together with anything else")
        return scope.text(param, "from")
    content: dict[str, Any] = {
        node: {"ros__parameters": parameters_of(param, scope.perform)},
    }
    path = params_dir / f"launch_params_{len(list(params_dir.iterdir()))}.yaml"
    path.write_text(yaml.safe_dump(content, default_flow_style=False), encoding="utf-8")
    return str(path)


def _timeout(element: Element, scope: Scope, name: str) -> float:
    return _number(element, name, scope.configurations.get(name, _DEFAULT_TIMEOUT_S))


def _number(element: Element, name: str, default: str, *, low: float = 0.0) -> float:
    text = element.attributes.get(name, default)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    # written so that NaN fails
    if not value >= low:
        raise element.error(f"{name} '{text}' is no number from {low:g} on")
    return value
