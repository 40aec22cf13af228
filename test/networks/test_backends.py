"""Back ends: the same boxes from each, and errors that say what to type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from perception_stack import networks
from perception_stack.datatypes import ColorImage
from perception_stack.detection.comparison import Tolerance, compare
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.errors import ModelLoadError
from perception_stack.journal import Journal
from perception_stack.networks import tensorrt
from perception_stack.networks.contract import Contract, Options

MANIFESTS = Path(__file__).resolve().parent.parent.parent / "config" / "models"
SIZE_PX = 64
CELLS = 8 * 8 + 4 * 4 + 2 * 2


@pytest.mark.parametrize("name", ["yolox_nano", "nanodet_m", "fastestdet"])
def test_openvino_finds_what_onnxruntime_finds(name: str, data_dir: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    for library in ("onnxruntime", "openvino"):
        pytest.importorskip(library)
    config = {
        "model": str(MANIFESTS / f"{name}.yaml"),
        "model_dir": str(data_dir / "checkpoints_2d"),
        "score_threshold": 0.2,
    }
    one, other = (
        Detector(DetectorConfig(backend=backend, **config), Journal())
        for backend in ("onnxruntime", "openvino")
    )
    tolerance = Tolerance(threshold=0.2)
    num_pairs = 0
    for path in sorted((data_dir / "checkpoints_2d" / "coco_val2017_images").glob("*.jpg")):
        image = ColorImage(frame_id="camera", stamp_ns=0, bgr=cv2.imread(str(path)))
        found = compare(one.detect(image), other.detect(image), tolerance)
        assert found.num_different == 0
        num_pairs += len(found.iou)
    assert num_pairs > 30


@pytest.mark.parametrize("kind", ["exported", "scripted"])
def test_torch_files_are_read_and_boxes_lie_where_the_network_says(
    kind: str, tmp_path: Path
) -> None:
    _save_torch(tmp_path, kind)
    found = _detector(tmp_path, backend="torch").detect(_grey_image())
    # cell (3, 2) of the finest grid, offset (0.5, 0.5), exp(1) * 8 wide and high
    half = np.e * 8 / 2
    np.testing.assert_allclose(
        found.xyxy_px, [[28 - half, 20 - half, 28 + half, 20 + half]], atol=1e-4
    )
    np.testing.assert_allclose(found.score, [0.9 * 0.8], rtol=1e-6)
    assert found.labels == ("b",)


def test_torch_file_with_other_outputs_is_refused(tmp_path: Path) -> None:
    _save_torch(tmp_path, "scripted")
    _manifest(tmp_path, classes=["a", "b", "c"])
    with pytest.raises(ModelLoadError, match=r"'output 0' is .*84, 7.* promise \[1, 84, 8\]"):
        _detector(tmp_path, backend="torch")


@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
def test_text_is_no_torch_file(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / f"model{suffix}").write_text("no model")
    with pytest.raises(ModelLoadError, match="neither an exported program nor a TorchScript"):
        _detector(tmp_path, backend="torch")


@pytest.mark.parametrize("name", networks.NAMES)
def test_missing_library_says_what_to_type(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModelLoadError, match=f"{name} is not installed; type: pip install"):
        _detector(tmp_path, backend=name)


def test_auto_takes_the_first_that_is_installed_and_reads_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = {"openvino", "torch"}
    monkeypatch.setattr(networks, "is_installed", lambda name: name in present)
    onnx, program = tmp_path / "model.onnx", tmp_path / "model.pt2"
    onnx.touch()
    assert networks.usable(onnx) == ("openvino",)
    program.touch()
    assert networks.usable(onnx) == ("openvino", "torch")
    assert networks.usable(program) == ("openvino", "torch")
    assert networks.file_for("torch", onnx) == program
    present.clear()
    _manifest(tmp_path)
    with pytest.raises(ModelLoadError, match="onnxruntime is not installed; type: pip install"):
        _detector(tmp_path)


def test_file_that_no_back_end_reads(tmp_path: Path) -> None:
    _manifest(tmp_path, file="model.tflite")
    with pytest.raises(ModelLoadError, match=r"no back end reads \*.tflite"):
        _detector(tmp_path)


def test_back_end_without_a_file_of_its_own_names_the_files(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ModelLoadError, match=r"reads model.pt2 or model.pt or model.torchscript"):
        _detector(tmp_path, backend="torch")


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "torch"])
def test_gpu_that_is_not_there_is_no_silent_cpu(name: str, tmp_path: Path, data_dir: Path) -> None:
    library = pytest.importorskip(name)
    if name == "onnxruntime":
        there = "CUDAExecutionProvider" in library.get_available_providers()
    elif name == "openvino":
        there = "GPU" in library.Core().available_devices
    else:
        there = library.cuda.is_available()
    if there:
        pytest.skip("there is a GPU")
    if name == "torch":
        _save_torch(tmp_path, "scripted")
        config = DetectorConfig(model=str(_manifest(tmp_path)), backend=name, device="gpu")
    else:
        config = DetectorConfig(
            model=str(MANIFESTS / "yolox_nano.yaml"),
            model_dir=str(data_dir / "checkpoints_2d"),
            backend=name,
            device="gpu",
        )
    with pytest.raises(ModelLoadError, match=r"gpu|GPU"):
        Detector(config, Journal())


def test_engine_is_named_after_all_that_makes_it_stale(tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    model.write_bytes(b"first")
    same: dict[str, Any] = {"gpu": "NVIDIA Orin (nvgpu)", "version": "10.3.0", "fp16": True}
    same["most"] = 1
    name = tensorrt.engine_name(model, **same)
    assert name.startswith("net-")
    assert name.endswith("-NVIDIA_Orin_nvgpu-trt10.3.0-fp16-1.engine")
    assert tensorrt.engine_name(model, **same) == name
    changes: tuple[dict[str, Any], ...] = (
        {"gpu": "NVIDIA L4"},
        {"version": "10.4.0"},
        {"fp16": False},
        {"most": 2},
    )
    others = {tensorrt.engine_name(model, **(same | one)) for one in changes}
    model.write_bytes(b"second")
    others.add(tensorrt.engine_name(model, **same))
    assert len(others) == 5
    assert name not in others


def test_stopped_build_leaves_no_engine(tmp_path: Path) -> None:
    path = tmp_path / "engines" / "net.engine"

    def fail() -> bytes:
        raise ModelLoadError("net.onnx", "out of memory")

    with pytest.raises(ModelLoadError):
        tensorrt.kept(path, fail)
    assert not path.exists()
    assert tensorrt.kept(path, lambda: b"plan") == b"plan"
    assert [one.name for one in path.parent.iterdir()] == ["net.engine"]


def test_engine_is_built_once_and_again_when_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With stand-ins for library and GPU, which are on few machines."""
    built: list[str] = []
    read: list[bytes] = []
    library = _stand_in_tensorrt(read)
    cuda = SimpleNamespace(is_available=lambda: True, get_device_name=lambda: "NVIDIA L4")
    monkeypatch.setitem(sys.modules, "tensorrt", library)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    monkeypatch.setattr(tensorrt, "TensorRtModel", lambda engine, _: engine)

    def build(file: Path, *_: Any) -> bytes:
        built.append(library.__version__)
        return file.read_bytes() + library.__version__.encode()

    monkeypatch.setattr(tensorrt, "_build", build)
    model = tmp_path / "model.onnx"
    model.write_bytes(b"net")
    contract = Contract(file=model, inputs={}, output_shapes=(), promised_by="nothing")
    options = Options(
        device="auto", num_threads=1, spin_us=0, engine_dir=tmp_path / "kept", fp16=True
    )

    def load() -> None:
        tensorrt.load(model, contract, options)

    load()
    load()
    assert built == ["10.3.0"]
    library.__version__ = "8.6.1"
    with pytest.raises(ModelLoadError, match=r"TensorRT 8.6.1 is too old; it takes 10 or later"):
        load()
    library.__version__ = "10.4.0"
    load()
    model.write_bytes(b"other")
    load()
    assert built == ["10.3.0", "10.4.0", "10.4.0"]
    assert read == [b"net10.3.0", b"net10.3.0", b"net10.4.0", b"other10.4.0"]


def _stand_in_tensorrt(read: list[bytes]) -> Any:
    class Runtime:
        def __init__(self, _: Any) -> None: ...

        def deserialize_cuda_engine(self, plan: bytes) -> str:
            read.append(plan)
            return "engine"

    class Logger:
        WARNING = 2

        def __init__(self, _: int) -> None: ...

    library: Any = ModuleType("tensorrt")
    library.__version__, library.Logger, library.Runtime = "10.3.0", Logger, Runtime
    return library


def _detector(folder: Path, **changes: Any) -> Detector:
    path = folder / "model.yaml"
    if not path.is_file():
        _manifest(folder)
    return Detector(DetectorConfig(model=str(path), **changes), Journal())


def _manifest(folder: Path, **changes: Any) -> Path:
    content = {
        "name": "one box",
        "file": "model.onnx",
        "family": "yolox",
        "input": {
            "name": "images",
            "width_px": SIZE_PX,
            "height_px": SIZE_PX,
            "colour": "bgr",
            "resize": "letterbox",
        },
        "strides": [8, 16, 32],
        "classes": ["a", "b"],
        "licence": "Apache-2.0",
        "card": "none",
    }
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


def _save_torch(folder: Path, kind: str) -> None:
    """A network that says the same of every image: class b in cell (3, 2) of the finest grid."""
    torch = pytest.importorskip("torch")

    class OneBox(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            rows = torch.zeros(1, CELLS, 7)
            rows[0, 2 * 8 + 3] = torch.tensor([0.5, 0.5, 1.0, 1.0, 0.9, 0.1, 0.8])
            self.register_buffer("rows", rows)

        def forward(self, image: Any) -> Any:
            return self.rows + 0.0 * image.mean()

    empty = torch.zeros(1, 3, SIZE_PX, SIZE_PX)
    if kind == "exported":
        torch.export.save(torch.export.export(OneBox(), (empty,)), str(folder / "model.pt2"))
    else:
        torch.jit.trace(OneBox(), empty).save(str(folder / "model.pt"))


def _grey_image() -> ColorImage:
    return ColorImage(
        frame_id="camera", stamp_ns=0, bgr=np.full((SIZE_PX, SIZE_PX, 3), 114, np.uint8)
    )


_SIGNALLED = """
import faulthandler, os, signal, sys
from pathlib import Path

import numpy as np

from perception_stack.networks import openvino
from perception_stack.networks.contract import Contract, Input, Options

faulthandler.enable()  # a stack for signals of its own, as many programs have
file = Path(sys.argv[1])
contract = Contract(
    file=file,
    inputs={"x": Input(shape=(1, 3, 8, 8))},
    output_shapes=((1, 3, 8, 8),),
    promised_by="the test",
)
options = Options(device="cpu", num_threads=1, spin_us=0, engine_dir=file.parent, fp16=False)
first, second = (openvino.load(file, contract, options) for _ in range(2))
first.run({"x": np.zeros((1, 3, 8, 8), np.float32)})
del first
del second
signal.signal(signal.SIGUSR1, lambda *_: print("delivered"))
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_openvino_leaves_signals_alone_when_models_are_closed_in_the_order_they_were_opened(
    tmp_path: Path,
) -> None:
    """Its CPU plugin swaps the stack for signals, and two of them put a freed one back."""
    for library in ("openvino", "onnx"):
        pytest.importorskip(library)
    from onnx import TensorProto, helper, save

    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "xy"
    ]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "one", values[:1], values[1:]
    )
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "relu.onnx")
    command = [sys.executable, "-c", _SIGNALLED, str(tmp_path / "relu.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "delivered\n"), done.stderr
