"""Networks in 8 bits: what is lost and gained, what is refused, on a network with known layers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.evaluation.precision_change import ClassChange
from perception_stack.io.image_files import load_images
from perception_stack.io.image_sets.coco import write_annotations
from perception_stack.journal import Journal
from perception_stack.networks import is_installed
from perception_stack.pipeline.quantisation.judge import refusal
from perception_stack.tools.main import main

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from perception_stack.detection.manifest import load_manifest
from perception_stack.detection.quantisation.graph import (
    METHODS,
    Feeds,
    Quantiser,
    prepare,
    signal_to_noise_db,
    write_half,
)
from perception_stack.detection.quantisation.manifest_file import write_manifest
from perception_stack.detection.quantisation.search import search

ROOT = Path(__file__).resolve().parents[2]


def network(path: Path) -> None:
    """Two convolutions; the weights of the second one's channels differ by a factor of 1000.

    In the old opset and with weights among the inputs, as old exporters write it.
    """
    from onnx import TensorProto, helper, numpy_helper, save

    rng = np.random.default_rng(0)
    first = rng.normal(0, 0.3, (8, 3, 3, 3)).astype(np.float32)
    second = rng.normal(0, 0.3, (4, 8, 1, 1)).astype(np.float32)
    second *= np.array([1, 10, 100, 1000], np.float32)[:, None, None, None] / 1000
    tensors = {"w1": first, "w2": second}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["y"]),
    ]
    values = {"x": [1, 3, 16, 16], "w1": list(first.shape), "w2": list(second.shape)}
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in values.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 16, 16])],
        [numpy_helper.from_array(one, name) for name, one in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 6
    save(model, str(path))


def feeds(num: int, seed: int = 0) -> list[Feeds]:
    rng = np.random.default_rng(seed)
    return [{"x": rng.normal(0, 1, (1, 3, 16, 16)).astype(np.float32)} for _ in range(num)]


def run(path: Path, given: list[Feeds]) -> list[list[np.ndarray]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [session.run(None, one) for one in given]


@pytest.mark.parametrize("method", METHODS)
def test_eight_bits_follow_the_float_network(method: str, tmp_path: Path) -> None:
    """Each channel by itself, since each has a scale of its own."""
    network(tmp_path / "two.onnx")
    graph = prepare(tmp_path / "two.onnx", tmp_path / "prepared.onnx")
    assert len(graph.layers) == 2
    Quantiser(graph, feeds(8), method=method).write(tmp_path / "int8.onnx")
    seen = feeds(4, seed=1)
    for (a,), (b,) in zip(
        run(tmp_path / "two.onnx", seen), run(tmp_path / "int8.onnx", seen), strict=True
    ):
        # the output has one scale for all channels; the last one sets it
        assert signal_to_noise_db([a[:, 3]], [b[:, 3]]) > 20


def test_a_layer_alone_is_less_noise_than_both_and_float_is_none(tmp_path: Path) -> None:
    network(tmp_path / "two.onnx")
    graph = prepare(tmp_path / "two.onnx", tmp_path / "prepared.onnx")
    quantiser, seen = Quantiser(graph, feeds(8), method="minmax"), feeds(4, seed=1)
    reference = run(graph.path, seen)

    def noise_db(path: Path) -> float:
        pairs = zip(reference, run(path, seen), strict=True)
        return float(np.mean([signal_to_noise_db(a, b) for a, b in pairs]))

    quantiser.write(tmp_path / "both.onnx")
    quantiser.write_only(tmp_path / "first.onnx", graph.layers[0])
    assert noise_db(tmp_path / "both.onnx") < noise_db(tmp_path / "first.onnx")
    import onnx

    everything = [one.name for one in onnx.load(str(graph.path)).graph.node]
    quantiser.write(tmp_path / "none.onnx", in_float=everything)
    assert noise_db(tmp_path / "none.onnx") > 100


def test_search_leaves_the_noisiest_layers_in_float_and_no_more_than_needed(
    tmp_path: Path,
) -> None:
    network(tmp_path / "two.onnx")
    graph = prepare(tmp_path / "two.onnx", tmp_path / "prepared.onnx")
    out, given = tmp_path / "out.onnx", feeds(8)

    def loss(path: Path) -> float:
        pairs = zip(run(graph.path, given), run(path, given), strict=True)
        return -float(np.mean([signal_to_noise_db(a, b) for a, b in pairs]))

    easy = search(graph, given, run=run, loss=loss, enough=0.0, out=out)
    assert easy.best.in_float == ()
    assert len(easy.trials) == len(METHODS)
    hard = search(graph, given, run=run, loss=loss, enough=-1000.0, out=out)
    noisiest = min(hard.noise_db, key=lambda name: hard.noise_db[name])
    assert hard.best.in_float == (noisiest,)
    assert hard.best.loss < easy.best.loss
    assert loss(out) == pytest.approx(hard.best.loss)  # the file is that of the best
    assert not out.with_suffix(".trial.onnx").exists()


def test_half_precision_keeps_inputs_and_outputs(tmp_path: Path) -> None:
    network(tmp_path / "two.onnx")
    write_half(tmp_path / "two.onnx", tmp_path / "half.onnx")
    seen = feeds(2)
    for (a,), (b,) in zip(
        run(tmp_path / "two.onnx", seen), run(tmp_path / "half.onnx", seen), strict=True
    ):
        assert b.dtype == np.float32
        assert signal_to_noise_db([a], [b]) > 50


@pytest.mark.parametrize("name", ["fastestdet", "nanodet_m", "yolox_nano"])
def test_a_manifest_that_is_written_says_the_same(name: str, tmp_path: Path) -> None:
    one = load_manifest(ROOT / "config" / "models" / f"{name}.yaml")
    write_manifest(one, tmp_path / "m.yaml", file=one.file.name, name=one.name)
    assert replace(load_manifest(tmp_path / "m.yaml"), file=one.file) == one


def change(
    name: str, before: float, after: float, *, wide: float = 0.001, num: int = 50
) -> ClassChange:
    return ClassChange(
        name=name,
        num_truth=num,
        num_images=num,
        before=before,
        after=after,
        low=after - before - wide,
        high=after - before + wide,
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param([change("all", 0.5, 0.495), change("car", 0.5, 0.495)], "", id="little"),
        pytest.param(
            [change("all", 0.5, 0.48), change("car", 0.6, 0.6), change("dog", 0.4, 0.36)],
            "mean loss 0.0200, allowed 0.01; worst: dog 0.400 -> 0.360 (50 objects)",
            id="mean",
        ),
        pytest.param(
            [change("all", 0.5, 0.495), change("car", 0.5, 0.47), change("dog", 0.5, 0.52)],
            "worst: car 0.500 -> 0.470",
            id="one-class-for-certain",
        ),
        pytest.param(
            [change("all", 0.5, 0.495), change("car", 0.5, 0.47, wide=0.05)], "", id="by-chance"
        ),
        pytest.param(
            [change("all", 0.5, 0.495), change("car", 0.5, 0.4, num=4)], "", id="four-images"
        ),
        pytest.param([], "nothing to judge by", id="nothing"),
    ],
)
def test_refusal_names_who_lost(changes: list[ClassChange], words: str) -> None:
    found = refusal(changes, 0.01)
    assert bool(found) == bool(words)
    assert words in found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of FastestDet's kind that finds something everywhere; its images are beside it."""
    import cv2
    from onnx import TensorProto, helper, numpy_helper, save

    folder = tmp_path_factory.mktemp("model")
    rng = np.random.default_rng(0)
    tensors = {
        "w1": rng.normal(0, 0.05, (16, 3, 16, 16)).astype(np.float32),
        "w2": rng.normal(0, 0.7, (7, 16, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], strides=[16, 16]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 7, 4, 4])],
        [numpy_helper.from_array(one, name) for name, one in tensors.items()],
    )
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6),
        str(folder / "tiny.onnx"),
    )
    (folder / "tiny.yaml").write_text(
        "{name: tiny, file: tiny.onnx, family: fastestdet, strides: [16], classes: [car, dog],"
        " input: {name: x, width_px: 64, height_px: 64, colour: bgr, resize: stretch,"
        " std: [64, 64, 64], mean: [128, 128, 128]}, licence: MIT, card: none}"
    )
    (folder / "images").mkdir()
    for i in range(10):
        bgr = np.kron(rng.integers(0, 255, (16, 16, 3)), np.ones((8, 8, 1)))
        cv2.imwrite(str(folder / "images" / f"{i:02d}.png"), bgr.astype(np.uint8))
    return folder


def quantise(model: Path, out: Path, *more: str) -> int:
    seen = () if "--data" in more else ("--images", str(model / "images"))
    given = ["--model", str(model / "tiny.yaml"), *seen]
    return main(["model", "quantise", *given, "--out", str(out), *more])


def boxes_found(model: Path, manifest: Path, backend: str) -> list[float]:
    """Scores of the first image."""
    config = DetectorConfig(model=str(manifest), backend=backend)
    (image,) = load_images([model / "images" / "00.png"])
    return Detector(config, Journal()).detect(image).score.tolist()


def test_a_network_is_quantised_reported_and_usable(model: Path, tmp_path: Path) -> None:
    assert quantise(model, tmp_path, "--max-loss", "1") == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["refusal"] == ""
    assert (report["num_calibrating"], report["num_judging"]) == (3, 7)
    assert report["bytes_after"] < report["bytes_before"]
    whole, *classes = report["average_precision"]["onnxruntime"]
    assert (whole["name"], whole["before"]) == ("all", 1.0)  # its own boxes are the truth
    assert 0.3 < whole["after"] < 1.0
    assert {one["name"] for one in classes} <= {"car", "dog"}
    assert "image/svg+xml" in (tmp_path / "report.html").read_text()
    written = tmp_path / "tiny-int8.yaml"
    assert load_manifest(written).file == tmp_path / "tiny-int8.onnx"
    scores = boxes_found(model, model / "tiny.yaml", "onnxruntime")
    for backend in ("onnxruntime", "openvino"):
        if is_installed(backend):
            found = boxes_found(model, written, backend)
            assert len(found) == pytest.approx(len(scores), abs=2)
            assert max(found) == pytest.approx(max(scores), abs=0.05)


def test_labels_are_the_truth_where_they_are_given(model: Path, tmp_path: Path) -> None:
    """One object per image that no network like this one finds."""
    data, out = tmp_path / "dogs", tmp_path / "out"
    shutil.copytree(model / "images", data / "val" / "images")
    dog = {"category": "dog", "bbox": [0.0, 0.0, 3.0, 3.0]}
    rows = [
        {"file_name": f"{i:02d}.png", "width": 128, "height": 128, "annotations": [dog]}
        for i in range(10)
    ]
    write_annotations(data / "val" / "annotations.json", classes=["dog"], images=rows)
    assert quantise(model, out, "--data", str(data)) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["truth"] == "labels of dogs"
    _, change = report["average_precision"]["onnxruntime"]
    found = [change[name] for name in ("name", "num_truth", "before", "after")]
    assert found == ["dog", 7, 0.0, 0.0]


def test_too_much_loss_is_refused_and_leaves_no_model(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert quantise(model, out, "--max-loss", "0.0001") == 1
    assert "refused, no model is written: onnxruntime: mean loss" in capsys.readouterr().out
    assert sorted(one.name for one in out.iterdir()) == ["report.html", "report.json"]
    report = json.loads((out / "report.json").read_text())
    assert set(report["layers_noise_db"])  # half of the layers were tried in float first
    assert len(report["trials"]) > len(METHODS)
    half = ("--precision", "fp16", "--max-loss", "0.2")
    assert quantise(model, tmp_path / "half", *half) == 0
    assert (tmp_path / "half" / "tiny-fp16.onnx").is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param(("--max-loss", "5"), "--max-loss lies between 0 and 1", id="per-cent"),
        pytest.param(("--calibrate", "0.99"), "10 images are too few", id="few"),
        pytest.param(("--data", "none"), "no annotations of split 'val'", id="labels"),
    ],
)
def test_bad_arguments_are_refused(
    more: tuple[str, str],
    message: str,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert quantise(model, tmp_path / "out", *more) == 2
    assert message in capsys.readouterr().err
