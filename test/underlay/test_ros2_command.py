"""``ros2 launch`` and ``ros2 run`` as processes, whichever ``ros2`` is on the path."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")
ROS2 = shutil.which("ros2")

pytestmark = [pytest.mark.ros, pytest.mark.skipif(ROS2 is None, reason="no ros2 on the path")]

PROBE = """
import json, os, pathlib, signal, sys, time, yaml
label = sys.argv[1]
if label == "stubborn":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if label == "polite":
    signal.signal(signal.SIGINT, lambda *_: (print("goodbye", flush=True), os._exit(0)))
files = [sys.argv[i + 1] for i, word in enumerate(sys.argv) if word == "--params-file"]
said = {
    "argv": sys.argv[2:],
    "params": [yaml.safe_load(pathlib.Path(name).read_text()) for name in files],
    "env": {name: value for name, value in os.environ.items() if name.startswith("PROBE_")},
    "cwd": os.getcwd(),
}
with open(os.environ["PROBE_OUT"] + "/" + label, "a") as out:
    out.write(json.dumps(said) + "\\n")
print("out of", label, flush=True)
print("err of", label, file=sys.stderr, flush=True)
while label in ("polite", "stubborn"):
    time.sleep(0.05)
sys.exit(3 if label == "dying" else 0)
"""

NODE = '<node pkg="launch_probe" exec="probe"'
LANGUAGE = f"""<launch>
  <arg name="given"/>
  <arg name="mode" default="nav"><choice value="nav"/><choice value="grasp"/></arg>
  <arg name="derived" default="$(var mode)-$(var given)"/>
  <arg name="number" default="7"/>
  <arg name="truth" default="True"/>
  <let name="local" value="let $(var derived) $(var nowhere 'a default')"/>
  <log message="the log says $(var local)"/>
  <set_env name="PROBE_SET" value="outer"/>
  <set_env name="PROBE_GONE" value="soon"/>
  <unset_env name="PROBE_GONE"/>
  {NODE} args="plain $(var local) 'two words' \\$(var local)" output="screen"/>
  <group>
    <push_ros_namespace namespace="robot"/>
    <push-ros-namespace namespace="head"/>
    <set_env name="PROBE_SET" value="inner"/>
    <let name="local" value="inner"/>
    <set_parameter name="use_sim_time" value="$(var truth)"/>
    <set_remap from="image" to="camera/image"/>
    {NODE} name="eyes" args="grouped $(var local)" ros_args="--log-level debug">
      <remap from="points" to="$(var mode)/points"/>
      <env name="PROBE_OWN" value="of $(var mode)"/>
    </node>
    {NODE} name="left_eye" namespace="left" args="relative"/>
    {NODE} name="sky" namespace="/top" args="absolute"/>
  </group>
  {NODE} name="late" args="after $(var local)"/>
  <group scoped="false"><let name="leak" value="leaked"/></group>
  {NODE} args="unscoped $(var leak)"/>
  {NODE} args="wanted" if="$(var truth)"/>
  {NODE} args="unwanted" if="$(not $(var truth))"/>
  {NODE} args="unwanted" unless="$(or false $(var truth))"/>
  <group if="$(and $(var truth) 0)">{NODE} args="unwanted"/></group>
  <let name="program" value="$(find-pkg-prefix launch_probe)/lib/launch_probe/probe"/>
  <executable cmd="$(var program) program 'two words' $(env PROBE_SET)x end"
              name="other" cwd="$(find-pkg-share launch_probe)" output="both"/>
  <include file="$(dirname)/part.launch.xml">
    <arg name="from_parent" value="$(var given)!"/>
  </include>
  <include file="$(find-pkg-share launch_probe)/part.launch.xml" unless="true">
    <arg name="from_parent" value="unwanted"/>
  </include>
  {NODE} args="leaking $(var from_parent)"/>
  {NODE} name="typed" args="typed">
    <param name="truth" value="true"/>
    <param name="whole" value="1"/>
    <param name="real" value="1.5"/>
    <param name="text" value="some text"/>
    <param name="quoted" value="'1'"/>
    <param name="empty" value=""/>
    <param name="forced_text" value="1" type="str"/>
    <param name="forced_real" value="1" type="float"/>
    <param name="forced_truth" value="1" type="bool"/>
    <param name="from_arg" value="$(var number)"/>
    <param name="text_from_arg" value="$(var number)" type="str"/>
    <param name="real_from_arg" value="$(var number).5"/>
    <param name="wholes" value="[1, 2]"/>
    <param name="texts" value="[a, 'b']"/>
    <param name="mixed_sources" value="[1, $(var number)]"/>
    <param name="forced_texts" value="['1', '2']" type="list_of_str"/>
    <param name="deep"><param name="er"><param name="value" value="3"/></param></param>
    <param from="$(find-pkg-share launch_probe)/params.yaml"/>
  </node>
  {NODE} name="placed" namespace="/ns" args="placed"><param name="x" value="0"/></node>
</launch>
"""
PART = f"""<launch>
  <arg name="from_parent"/>
  {NODE} args="included $(var from_parent) $(var mode) $(dirname)"/>
</launch>
"""


class Workspace:
    """An ament prefix with one package, and launches of its files."""

    def __init__(self, folder: Path) -> None:
        self.share = folder / "share" / "launch_probe"
        self.share.mkdir(parents=True)
        index = folder / "share" / "ament_index" / "resource_index" / "packages"
        index.mkdir(parents=True)
        (index / "launch_probe").touch()
        probe = folder / "lib" / "launch_probe" / "probe"
        probe.parent.mkdir(parents=True)
        probe.write_text(f"#!{sys.executable}\n{PROBE}")
        probe.chmod(0o755)
        self.out = folder / "out"
        self.out.mkdir()
        self.environment = {
            **os.environ,
            "AMENT_PREFIX_PATH": f"{folder}{os.pathsep}{os.environ.get('AMENT_PREFIX_PATH', '')}",
            "PROBE_OUT": str(self.out),
            "ROS_LOG_DIR": str(folder / "log"),
        }

    def write(self, name: str, text: str) -> Path:
        path = self.share / name
        path.write_text(text)
        return path

    def ros2(self, *words: str) -> tuple[int, str]:
        """Exit code and all output of a command that ends by itself."""
        with self.started(*words) as running:
            text = running.text_until_end()
            return running.process.wait(), text

    def launch(self, body: str, *arguments: str) -> tuple[int, str]:
        path = self.write("some.launch.xml", f"<launch>{body}</launch>")
        return self.ros2("launch", str(path), *arguments)

    def started(self, *words: str) -> Running:
        return Running([str(ROS2), *words], self.environment)

    def said(self, label: str) -> list[dict[str, Any]]:
        """What each run of a probe has seen."""
        path = self.out / label
        return (
            [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        )


class Running:
    """A command while it runs; killed if it takes far too long."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._watchdog = threading.Timer(60.0, self.process.kill)
        self._watchdog.start()

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        self.process.kill()
        self.process.communicate()

    def text_until(self, marker: str) -> str:
        text = ""
        for line in self.process.stdout:
            text += line
            if marker in line:
                return text
        raise AssertionError(f"'{marker}' never came:\n{text}")

    def text_until_end(self) -> str:
        return self.process.stdout.read()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, str]]:
    """What the whole language does, and what was shown while it did."""
    workspace = Workspace(tmp_path_factory.mktemp("language"))
    workspace.write("part.launch.xml", PART)
    workspace.write("language.launch.xml", LANGUAGE)
    workspace.write("params.yaml", "/**:\n  ros__parameters:\n    of_file: 2\n")
    code, text = workspace.ros2("launch", "launch_probe", "language.launch.xml", "given:=one")
    assert code == 0, text
    return workspace, text


def words(language: Any, label: str) -> list[str]:
    (said,) = language[0].said(label)
    return said["argv"]


def test_arguments_and_substitutions(language: Any) -> None:
    assert words(language, "plain") == [
        "let nav-one a default",
        "two words",
        "$(var",
        "local)",
        "--ros-args",
    ]
    assert "[INFO] [launch.user]: the log says let nav-one a default" in language[1]


def test_namespaces_parameters_and_remaps_of_a_group(language: Any) -> None:
    rules = ["-r", "__node:=eyes", "-r", "__ns:=/robot/head", "-p", "use_sim_time:=True"]
    remaps = ["-r", "image:=camera/image", "-r", "points:=nav/points"]
    level = ["--ros-args", "--log-level", "debug", "--ros-args"]
    assert words(language, "grouped") == ["inner", *level, *rules, *remaps]
    assert "__ns:=/robot/head/left" in words(language, "relative")
    assert "__ns:=/top" in words(language, "absolute")


def test_a_group_ends_with_its_scope(language: Any) -> None:
    assert words(language, "after") == [
        "let nav-one a default",
        "--ros-args",
        "-r",
        "__node:=late",
    ]
    assert words(language, "unscoped")[0] == "leaked"


def test_environment(language: Any) -> None:
    def seen(label: str) -> dict[str, str]:
        (said,) = language[0].said(label)
        return {name: value for name, value in said["env"].items() if name != "PROBE_OUT"}

    assert seen("plain") == seen("after") == {"PROBE_SET": "outer"}
    assert seen("grouped") == {"PROBE_SET": "inner", "PROBE_OWN": "of nav"}


def test_conditions(language: Any) -> None:
    assert language[0].said("wanted")
    assert not language[0].said("unwanted")


def test_executables(language: Any) -> None:
    workspace, text = language
    (said,) = workspace.said("program")
    assert said["argv"] == ["two words", "outerx", "end"]
    assert Path(said["cwd"]) == workspace.share
    assert "[other-" in text


def test_included_files_share_the_arguments(language: Any) -> None:
    workspace, _ = language
    assert words(language, "included") == ["one!", "nav", str(workspace.share), "--ros-args"]
    assert words(language, "leaking")[0] == "one!"


def test_types_of_parameters(language: Any) -> None:
    (said,) = language[0].said("typed")
    merged: dict[str, Any] = {}
    for content in said["params"]:
        assert list(content) == ["/**"]
        merged.update(content["/**"]["ros__parameters"])
    expected = {
        "truth": True,
        "whole": 1,
        "real": 1.5,
        "text": "some text",
        "quoted": "1",
        "empty": "",
        "forced_text": "1",
        "forced_real": 1.0,
        "forced_truth": True,
        "from_arg": 7,
        "text_from_arg": "7",
        "real_from_arg": 7.5,
        "wholes": [1, 2],
        "texts": ["a", "b"],
        "mixed_sources": [1, 7],
        "forced_texts": ["1", "2"],
        "deep.er.value": 3,
        "of_file": 2,
    }
    assert merged == expected
    types = {name: type(value) for name, value in merged.items()}
    assert types == {name: type(value) for name, value in expected.items()}


def test_parameters_of_a_node_whose_full_name_is_known(language: Any) -> None:
    (said,) = language[0].said("placed")
    assert said["params"] == [{"/ns/placed": {"ros__parameters": {"x": 0}}}]


def test_output_is_shown_with_the_name_of_the_process(language: Any) -> None:
    _, text = language
    assert "[probe-1] out of plain\n" in text
    assert "[probe-1] err of plain\n" in text
    assert "[INFO] [probe-1]: process started with pid [" in text
    assert "[INFO] [probe-1]: process has finished cleanly [pid " in text
    # without output="screen", only what goes to stderr is shown
    assert "out of grouped" not in text
    assert "err of grouped" in text


def test_what_is_not_shown_is_logged(language: Any) -> None:
    (log,) = (language[0].out.parent / "log").glob("*-*/launch.log")
    assert "out of grouped" in log.read_text()


def test_a_process_that_dies_is_told_and_ends_nothing(workspace: Workspace) -> None:
    code, text = workspace.launch(f'{NODE} args="dying"/>{NODE} args="living"/>')
    assert code == 0
    assert "[ERROR] [probe-1]: process has died [pid " in text
    assert ", exit code 3, cmd '" in text
    assert workspace.said("living")


def test_a_required_process_ends_all(workspace: Workspace) -> None:
    code, text = workspace.launch(
        f'{NODE} args="polite" output="screen"/>{NODE} args="dying" on_exit="shutdown"/>'
    )
    assert code == 0
    assert "process[probe-2] was required: shutting down launched system" in text


def test_a_process_is_started_again(workspace: Workspace) -> None:
    body = f'{NODE} args="dying" respawn="true" respawn_delay="0.01" respawn_max_retries="2"/>'
    code, _ = workspace.launch(body)
    assert code == 0
    assert len(workspace.said("dying")) == 3


def test_an_interrupt_is_passed_on(workspace: Workspace) -> None:
    path = workspace.write(
        "some.launch.xml",
        f'<launch>{NODE} args="polite" output="screen" respawn="true"/></launch>',
    )
    with workspace.started("launch", str(path)) as running:
        running.text_until("out of polite")
        running.process.send_signal(signal.SIGINT)
        text = running.text_until_end()
        assert running.process.wait() == 0
    assert "[WARNING] [launch]: user interrupted with ctrl-c (SIGINT)" in text
    assert "[probe-1] goodbye" in text
    assert len(workspace.said("polite")) == 1


def test_who_does_not_listen_is_killed(workspace: Workspace) -> None:
    path = workspace.write(
        "some.launch.xml", f'<launch>{NODE} args="stubborn" output="screen"/></launch>'
    )
    timeouts = ("sigterm_timeout:=0.2", "sigkill_timeout:=0.1")
    with workspace.started("launch", str(path), *timeouts) as running:
        running.text_until("out of stubborn")
        running.process.send_signal(signal.SIGINT)
        text = running.text_until_end()
        assert running.process.wait() == 0
    told = "process[probe-1] failed to terminate '{}' seconds after receiving '{}'"
    assert f"{told.format('0.2', 'SIGINT')}, escalating to 'SIGTERM'" in text
    assert "seconds after receiving 'SIGTERM', escalating to 'SIGKILL'" in text
    assert "exit code -9" in text


@pytest.mark.better_than_published("ros2cli", "leaves orphans")
def test_sigterm_leaves_no_orphans(workspace: Workspace) -> None:
    path = workspace.write(
        "some.launch.xml", f'<launch>{NODE} args="polite" output="screen"/></launch>'
    )
    with workspace.started("launch", str(path)) as running:
        running.text_until("out of polite")
        running.process.terminate()
        text = running.text_until_end()
        assert running.process.wait() == 1
    assert "[probe-1] goodbye" in text


def test_arguments_are_shown(workspace: Workspace) -> None:
    path = workspace.write(
        "some.launch.xml",
        """<launch>
          <arg name="needed"/>
          <arg name="mode" default="nav" description="What for">
            <choice value="nav"/><choice value="x"/>
          </arg>
          <group if="false"><arg name="rare" default="1"/></group>
        </launch>""",
    )
    code, text = workspace.ros2("launch", str(path), "--show-args")
    assert code == 0
    assert "    'needed':\n        no description given\n" in text
    assert (
        "    'mode':\n        What for. Valid choices are: ['nav', 'x']\n        (default: 'nav')"
        in text
    )
    assert "    'rare':*\n" in text


@pytest.mark.parametrize(
    ("body", "arguments", "told"),
    [
        pytest.param('<arg name="needed"/>', (), "needed", id="argument missing"),
        pytest.param(
            '<arg name="mode"><choice value="nav"/></arg>', ("mode:=fly",), "fly", id="no choice"
        ),
        pytest.param("", ("mode=fly",), "mode=fly", id="malformed argument"),
        pytest.param("<teleport/>", (), "teleport", id="unknown tag"),
        pytest.param('<log message="" colour="red"/>', (), "colour", id="unknown attribute"),
        pytest.param('<let name="a"/>', (), "value", id="attribute missing"),
        pytest.param('<log message="$(teleport x)"/>', (), "teleport", id="unknown substitution"),
        pytest.param('<log message="$(var x"/>', (), "", id="substitution not closed"),
        pytest.param('<log message="$(var x)"/>', (), "'x' does not exist", id="unknown variable"),
        pytest.param(
            '<log message="$(env NO_X)"/>', (), "NO_X", id="unknown environment variable"
        ),
        pytest.param('<log message="$(find-pkg-share no_x)"/>', (), "no_x", id="unknown package"),
        pytest.param('<log message="" if="maybe"/>', (), "maybe", id="neither true nor false"),
        pytest.param('<log message="" if="1" unless="0"/>', (), "unless", id="if and unless"),
        pytest.param('<node pkg="launch_probe" exec="no_x"/>', (), "no_x", id="no executable"),
        pytest.param('<node pkg="no_x" exec="probe"/>', (), "no_x", id="no package of a node"),
        pytest.param(f'{NODE} name="not a name"/>', (), "not a name", id="no node name"),
        pytest.param('<push_ros_namespace namespace="a b"/>', (), "a b", id="no namespace"),
        pytest.param('<include file="/no_x.launch.xml"/>', (), "no_x", id="no such include"),
        pytest.param(f'{NODE} on_exit="dance"/>', (), "dance", id="unknown on_exit"),
        pytest.param(
            f'{NODE}><param name="x" value="a" type="int"/></node>', (), "int", id="no int"
        ),
        pytest.param(f'{NODE}><param name="x" value="[1, a]"/></node>', (), "", id="mixed list"),
    ],
)
def test_what_is_wrong_is_named(
    workspace: Workspace, body: str, arguments: tuple[str, ...], told: str
) -> None:
    code, text = workspace.launch(body, *arguments)
    assert (code, told in text) == (1, True), text
    assert not list(workspace.out.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("launch", "no_such_package", "x.launch.xml"),
        ("launch", "launch_probe", "no_such_file.launch.xml"),
        ("run", "no_such_package", "probe"),
        ("run", "launch_probe", "no_such_executable"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_an_error(workspace: Workspace, words: tuple[str, ...]) -> None:
    assert workspace.ros2(*words)[0] == 1


def test_run_passes_arguments_and_the_exit_code(workspace: Workspace) -> None:
    arguments = ["--ros-args", "-p", "x:=1", "-r", "__node:=me"]
    code, text = workspace.ros2("run", "launch_probe", "probe", "dying", *arguments)
    assert code == 3
    assert "out of dying" in text
    assert [said["argv"] for said in workspace.said("dying")] == [arguments]
