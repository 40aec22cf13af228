"""The command ``ros2``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from ros2cli.errors import LaunchError
from ros2cli.interpreter import Interpreter, declared_arguments, describe
from ros2cli.launcher import Launcher
from ros2cli.log import LaunchLog, log_path
from ros2cli.processes import find_executable
from ros2cli.schema import load_launch_file


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Words after ``ros2``; those of this process when None.

    Returns:
        Exit code.
    """
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except LaunchError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ros2", description="launch and run, where ROS 2 itself is not installed"
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    launch = verbs.add_parser("launch", help="run a launch file")
    launch.set_defaults(run=_launch)
    launch.add_argument(
        "-n",
        "--noninteractive",
        action="store_true",
        default=not sys.stdin.isatty(),
        help="no terminal: pass SIGINT on to the processes",
    )
    launch.add_argument(
        "-s",
        "--show-args",
        "--show-arguments",
        action="store_true",
        help="show the arguments that the launch file takes",
    )
    launch.add_argument("package_name", help="package, or path of a launch file")
    launch.add_argument("launch_file_name", nargs="?", help="name of the launch file")
    launch.add_argument("launch_arguments", nargs="*", help="<name>:=<value>, the last one counts")
    run = verbs.add_parser("run", help="run an executable of a package")
    run.set_defaults(run=_run)
    run.add_argument("--prefix", default="", help="command to put before the executable")
    run.add_argument("package_name")
    run.add_argument("executable_name")
    run.add_argument("argv", nargs=argparse.REMAINDER, help="arguments of the executable")
    return parser


def _launch(args: argparse.Namespace) -> int:
    words = list(args.launch_arguments)
    if Path(args.package_name).is_file():
        path = Path(args.package_name)
        words = [args.launch_file_name, *words] if args.launch_file_name else words
    else:
        path = _find_launch_file(args.package_name, args.launch_file_name)
    arguments = dict(_argument_of(word) for word in words)
    if args.show_args:
        _show_arguments(path)
        return 0
    log = LaunchLog(log_path(os.environ))
    log.say("INFO", "launch", f"All log files can be found below {log.path.parent}")
    try:
        with TemporaryDirectory(prefix="launch_params_") as params_dir:
            interpreter = Interpreter(log=log, params_dir=Path(params_dir))
            processes = interpreter.launch(path, arguments, os.environ)
            launcher = Launcher(processes, log=log, terminal_interrupts=not args.noninteractive)
            return launcher.run()
    except LaunchError as error:
        log.say("ERROR", "launch", f"Caught exception in launch: {error}")
        return 1
    finally:
        log.close()


def _run(args: argparse.Namespace) -> int:
    path = find_executable(args.package_name, args.executable_name)
    command = [*shlex.split(args.prefix), path, *args.argv]
    # in our place, so that it gets every signal and its exit code is ours
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise LaunchError(f"cannot run '{command[0]}': {error.strerror}") from error


def _find_launch_file(package: str, name: str | None) -> Path:
    if name is None:
        raise LaunchError(f"'{package}' is no launch file, and no name of one is given")
    try:
        share = Path(get_package_share_directory(package))
    except (PackageNotFoundError, ValueError) as error:
        raise LaunchError(f"Package '{package}' not found: {error}") from error
    found = sorted(share.rglob(name))
    if len(found) != 1:
        count = "more than once" if found else "nowhere"
        raise LaunchError(f"launch file '{name}' was found {count} in '{share}'")
    return found[0]


def _argument_of(word: str) -> tuple[str, str]:
    name, separator, value = word.partition(":=")
    if not (name and separator and value):
        msg = f"malformed launch argument '{word}', expected format '<name>:=<value>'"
        raise LaunchError(msg)
    return name, value


def _show_arguments(path: Path) -> None:
    lines = ["Arguments (pass arguments as '<name>:=<value>'):"]
    arguments = list(declared_arguments(load_launch_file(path)))
    for arg, is_conditional in arguments:
        lines += ["", f"    '{arg.attributes['name']}':{'*' if is_conditional else ''}"]
        lines += [f"        {describe(arg)}"]
        if "default" in arg.attributes:
            lines += [f"        (default: '{arg.attributes['default']}')"]
    if not arguments:
        lines += ["", "  No arguments."]
    if any(is_conditional for _, is_conditional in arguments):
        lines += ["", "* argument(s) which are only used if specific conditions occur"]
    sys.stdout.write("\n".join(lines) + "\n")
