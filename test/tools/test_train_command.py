"""Simulate, train, score, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perception_stack.tools.main import main

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pictures")
    for split in ("train", "val"):
        assert (
            main(["simulate", "images", "--split", split, "--scenes", "1", "--out", str(out)]) == 0
        )
    return out


SMALL = ["--set", "num_threads:=1", "--set", "batch_size:=4"]


def test_from_pictures_to_scores(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, scores = tmp_path / "run", tmp_path / "scores.json"
    train = ["train", "detector", "--data", str(pictures), "--out", str(run), *SMALL]
    assert main([*train, "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "train: 12 images" in printed
    assert {"model.onnx", "model.yaml", "card.md", "scores.json", "metrics.csv", "curves.png"} <= {
        one.name for one in run.iterdir()
    }
    evaluate = ["model", "evaluate", "--model", str(run / "model.yaml"), "--data", str(pictures)]
    assert main([*evaluate, "--split", "val", "--out", str(scores)]) == 0
    got = json.loads(scores.read_text())
    expected = json.loads((run / "scores.json").read_text())["val"]
    # the exported file, run as on a robot, scores as the network did
    assert got["ap"]["mean"] == pytest.approx(expected["ap"], abs=1e-3)
    # what lies there is not lost by typing the same again
    assert main(train) == 2
    assert "--resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--data", "nowhere"], "no annotations of split 'train'", id="no-data"),
        pytest.param(["--set", "speed:=3"], "no parameter speed; there are:", id="no-parameter"),
        pytest.param(["--set", "batch_size"], "is not of the form NAME:=VALUE", id="no-value"),
        pytest.param(["--set", "batch_size:=0"], "batch_size: 0 is below 1", id="out-of-range"),
        pytest.param(["--from", "nowhere.pt"], "no such file", id="no-checkpoint"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str],
    message: str,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["train", "detector", "--data", str(pictures), "--out", str(tmp_path / "x")]
    assert main([*given, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_pictures_are_not_written_over(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "images", "--split", "val", "--out", str(pictures)]) == 2
    assert "is there already" in capsys.readouterr().err
