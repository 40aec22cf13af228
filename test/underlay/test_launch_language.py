"""The XML launch language as ``ros2 launch`` understands it, seen by the processes it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

pytestmark = pytest.mark.ros

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


@pytest.fixture(scope="module")
def language(new_workspace: Any) -> tuple[Any, str]:
    """What the whole language does, and what was shown while it did."""
    workspace = new_workspace()
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
