"""``ros2 launch`` and ``ros2 run`` as processes: their ends, signals and errors."""

from __future__ import annotations

import signal
from typing import Any

import pytest

pytest.importorskip("rclpy")

pytestmark = pytest.mark.ros

NODE = '<node pkg="launch_probe" exec="probe"'


def test_a_process_that_dies_is_told_and_ends_nothing(workspace: Any) -> None:
    code, text = workspace.launch(f'{NODE} args="dying"/>{NODE} args="living"/>')
    assert code == 0
    assert "[ERROR] [probe-1]: process has died [pid " in text
    assert ", exit code 3, cmd '" in text
    assert workspace.said("living")


def test_a_required_process_ends_all(workspace: Any) -> None:
    code, text = workspace.launch(
        f'{NODE} args="polite" output="screen"/>{NODE} args="dying" on_exit="shutdown"/>'
    )
    assert code == 0
    assert "process[probe-2] was required: shutting down launched system" in text


def test_a_process_is_started_again(workspace: Any) -> None:
    body = f'{NODE} args="dying" respawn="true" respawn_delay="0.01" respawn_max_retries="2"/>'
    code, _ = workspace.launch(body)
    assert code == 0
    assert len(workspace.said("dying")) == 3


def test_an_interrupt_is_passed_on(workspace: Any) -> None:
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


def test_who_does_not_listen_is_killed(workspace: Any) -> None:
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
def test_sigterm_leaves_no_orphans(workspace: Any) -> None:
    path = workspace.write(
        "some.launch.xml", f'<launch>{NODE} args="polite" output="screen"/></launch>'
    )
    with workspace.started("launch", str(path)) as running:
        running.text_until("out of polite")
        running.process.terminate()
        text = running.text_until_end()
        assert running.process.wait() == 1
    assert "[probe-1] goodbye" in text


def test_arguments_are_shown(workspace: Any) -> None:
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
    workspace: Any, body: str, arguments: tuple[str, ...], told: str
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
def test_what_is_not_there_is_an_error(workspace: Any, words: tuple[str, ...]) -> None:
    assert workspace.ros2(*words)[0] == 1


def test_run_passes_arguments_and_the_exit_code(workspace: Any) -> None:
    arguments = ["--ros-args", "-p", "x:=1", "-r", "__node:=me"]
    code, text = workspace.ros2("run", "launch_probe", "probe", "dying", *arguments)
    assert code == 3
    assert "out of dying" in text
    assert [said["argv"] for said in workspace.said("dying")] == [arguments]
