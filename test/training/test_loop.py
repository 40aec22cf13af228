"""The loop: repeats, goes on where it was broken off, takes weights over, says what is wrong."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from perception_stack.errors import ConfigError, ModelLoadError, TrainingError
from perception_stack.training.checkpoint import BEST, CHECKPOINT, load
from perception_stack.training.config import LoopConfig
from perception_stack.training.loop import Watch, train
from perception_stack.training.schedule import Averaged, rate_at
from perception_stack.training.task import Scores

CONFIG = LoopConfig(
    num_epochs=4, batch_size=8, learning_rate=0.02, precision="float32", num_threads=1
)


def weights(network: Any) -> list[np.ndarray]:
    return [one.numpy().copy() for one in network.state_dict().values()]


def assert_same(a: Any, b: Any) -> None:
    for one, other in zip(weights(a), weights(b), strict=True):
        np.testing.assert_array_equal(one, other)


class PowerCut(Exception):  # noqa: N818
    """The power fails."""


def stop_at(step: int) -> Watch:
    def on_step(done: int, _: int, __: float) -> None:
        if done == step:
            raise PowerCut

    return Watch(step=on_step)


def test_a_run_repeats_and_another_seed_differs(plane: Any, tmp_path: Path) -> None:
    first = train(plane, CONFIG, tmp_path / "a")
    assert_same(first.network, train(plane, CONFIG, tmp_path / "b").network)
    other = train(plane, replace(CONFIG, seed=1), tmp_path / "c")
    assert not np.array_equal(weights(first.network)[0], weights(other.network)[0])


@pytest.mark.parametrize("step", [3, 8, 11])
def test_a_run_that_was_broken_off_ends_with_the_same_weights(
    step: int, plane: Any, tmp_path: Path
) -> None:
    whole = train(plane, CONFIG, tmp_path / "whole")
    with pytest.raises(PowerCut):
        train(plane, CONFIG, tmp_path / "broken", watch=stop_at(step))
    resumed = train(plane, CONFIG, tmp_path / "broken", resume=True)
    assert_same(whole.network, resumed.network)
    a, b = (load(tmp_path / name / CHECKPOINT) for name in ("whole", "broken"))
    for name in ("network", "weights"):
        for one, other in zip(a[name].values(), b[name].values(), strict=True):
            assert torch.equal(one, other)
    columns = [{k: v for k, v in row.items() if k != "seconds"} for row in whole.rows]
    assert columns == [{k: v for k, v in row.items() if k != "seconds"} for row in resumed.rows]


def test_workers_change_nothing(plane: Any, tmp_path: Path) -> None:
    alone = train(plane, replace(CONFIG, num_epochs=1), tmp_path / "a")
    helped = train(plane, replace(CONFIG, num_epochs=1, num_workers=2), tmp_path / "b")
    assert_same(alone.network, helped.network)


def test_it_learns_and_writes_what_it_did(plane: Any, tmp_path: Path) -> None:
    done = train(plane, replace(CONFIG, num_epochs=25), tmp_path)
    assert done.rows[-1]["loss"] < 0.3 * done.rows[0]["loss"]
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 26))
    assert {"rate", "square", "loss", "val_good", "seconds"} <= set(rows[0])
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_the_best_epoch_is_kept(plane: Any, tmp_path: Path) -> None:
    done = train(plane, replace(CONFIG, num_epochs=8), tmp_path)
    best = max(row["val_good"] for row in done.rows)
    assert plane.evaluate(done.network, "val").headline == best


def test_a_split_without_truth_ends_with_the_newest(
    plane: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Scores(headline=np.nan, values={"good": np.nan})
    monkeypatch.setattr(plane, "evaluate", lambda _network, _split: nothing)
    done = train(plane, replace(CONFIG, num_epochs=2), tmp_path)
    newest = load(tmp_path / CHECKPOINT)["weights"]
    for one, other in zip(done.network.state_dict().values(), newest.values(), strict=True):
        assert torch.equal(one, other)


def test_the_optimiser_falls_along_a_cosine_after_a_rise() -> None:
    config = LoopConfig(num_epochs=10, learning_rate=1.0, final_rate=0.1, warm_up_epochs=1.0)
    rates = [rate_at(step, steps_per_epoch=5, config=config) for step in range(50)]
    np.testing.assert_allclose(rates[:5], [0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5] == 1.0
    assert rates[27] == pytest.approx(0.1 + 0.9 * (1 + np.cos(np.pi * 22 / 44)) / 2)
    assert rates[49] == pytest.approx(0.1)


def test_averaged_weights_follow_by_hand() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0.0)
        averaged = Averaged(network, decay=0.25)
        network.weight.fill_(1.0)
        averaged.update(0)  # share that stays: min(0.25, 1/10)
        assert averaged.network.weight.item() == pytest.approx(0.9)
        averaged.update(100)
        assert averaged.network.weight.item() == pytest.approx(0.9 + 0.1 * 0.75)


def test_weights_come_over_where_they_fit(plane: Any, tmp_path: Path) -> None:
    train(plane, CONFIG, tmp_path / "a")
    wider = type(plane)(num_outputs=2)
    config = replace(CONFIG, num_epochs=1, freeze_epochs=1, seed=9)
    done = train(wider, config, tmp_path / "b", start_from=tmp_path / "a" / BEST)
    assert done.transfer is not None
    assert set(done.transfer.fresh) == {"head.weight", "head.bias"}
    source = load(tmp_path / "a" / BEST)["weights"]
    for name, one in done.network.backbone.state_dict().items():
        assert torch.equal(one, source[f"backbone.{name}"]), "a frozen backbone has moved"


def test_a_frozen_backbone_thaws(plane: Any, tmp_path: Path) -> None:
    train(plane, CONFIG, tmp_path / "a")
    config = replace(CONFIG, num_epochs=2, freeze_epochs=1)
    train(plane, config, tmp_path / "b", start_from=tmp_path / "a" / BEST)
    source = load(tmp_path / "a" / BEST)["weights"]["backbone.0.weight"]
    after = load(tmp_path / "b" / CHECKPOINT)["network"]["backbone.0.weight"]
    assert not torch.equal(after, source)


def test_a_folder_with_a_run_is_not_overwritten(plane: Any, tmp_path: Path) -> None:
    train(plane, replace(CONFIG, num_epochs=1), tmp_path)
    with pytest.raises(ConfigError, match="--resume"):
        train(plane, CONFIG, tmp_path)


def test_another_run_is_not_gone_on_with(plane: Any, tmp_path: Path) -> None:
    train(plane, replace(CONFIG, num_epochs=1), tmp_path)
    with pytest.raises(ModelLoadError, match=r"batch_size was 8, is 4; num_epochs was 1, is 4"):
        train(plane, replace(CONFIG, batch_size=4), tmp_path, resume=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "no such file", id="absent"),
        pytest.param(b"hello", "no checkpoint of perception-stack train", id="text"),
    ],
)
def test_a_checkpoint_that_is_none_is_refused(
    content: bytes | None, message: str, plane: Any, tmp_path: Path
) -> None:
    file = tmp_path / "x.pt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelLoadError, match=message):
        train(plane, CONFIG, tmp_path / "run", start_from=file)


def test_a_loss_that_is_no_number_ends_the_run(
    plane: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        plane, "loss", lambda network, batch: {"square": network(batch["x"]).sum() * np.nan}
    )
    with pytest.raises(TrainingError, match=r"epoch 1, step 1: square nan; try a lower"):
        train(plane, CONFIG, tmp_path)


def test_no_examples_are_named(
    plane: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plane, "examples", lambda _split, _epoch: [])
    with pytest.raises(TrainingError, match="no examples"):
        train(plane, CONFIG, tmp_path)
