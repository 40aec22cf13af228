"""A network in 8-bit integers: the quantiser of ONNX Runtime, fed as the detector feeds.

Weights get a scale per channel, activations one per tensor, as pairs of QuantizeLinear and
DequantizeLinear (QDQ), which ONNX Runtime, OpenVINO and TensorRT read.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.errors import ConfigError, ModelLoadError

Feeds = dict[str, NDArray[Any]]
"""Inputs of a network by name."""

METHODS = ("minmax", "percentile", "entropy")
"""How the range of an activation follows from what it was on images."""

_OPSET = 17  # scales per channel need 13
_KINDS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
INSTALL = "pip install onnx onnxruntime"


def require_quantiser() -> None:
    """Make sure that the libraries are there.

    Raises:
        ConfigError: one is not; says what to type.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime.quantization  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed; type: {INSTALL}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A network made ready to be quantised.

    Attributes:
        path: The file.
        layers: Names of the layers with weights, from input to output.
    """

    path: Path
    layers: tuple[str, ...]


def prepare(source: Path, target: Path) -> Graph:
    """Fold constants, name nodes, and bring the file to an opset that knows scales per channel.

    Raises:
        ModelLoadError: it is no ONNX model, or cannot be converted.
    """
    import onnx
    from onnx import version_converter
    from onnxruntime.quantization import quant_pre_process

    try:
        model = onnx.load(str(source))
        # old files list weights among their inputs, where nothing may fold them
        weights = {one.name for one in model.graph.initializer}
        inputs = [one for one in model.graph.input if one.name not in weights]
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
        if opset < _OPSET:
            model = version_converter.convert_version(model, _OPSET)
        onnx.save(model, str(target))
        quant_pre_process(str(target), str(target), skip_symbolic_shape=True)
        model = onnx.load(str(target))
    except Exception as error:  # neither library has a root for its errors
        raise ModelLoadError(
            source, f"it cannot be made ready to be quantised: {error}"
        ) from error
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{i}"
    onnx.save(model, str(target))
    layers = tuple(one.name for one in model.graph.node if one.op_type in _KINDS)
    if not layers:
        raise ModelLoadError(source, f"no layer in it can be quantised ({', '.join(_KINDS)})")
    return Graph(path=target, layers=layers)


class Quantiser:
    """Makes 8-bit versions of one network.

    Args:
        graph: The network.
        feeds: Inputs of images like those that it will see.
        method: One of :data:`METHODS`.
        reduce_range: Whether weights get 7 bits, for x86 processors without VNNI, whose 16-bit
            sums overflow.
    """

    def __init__(
        self, graph: Graph, feeds: Sequence[Feeds], *, method: str, reduce_range: bool = False
    ) -> None:
        self.graph = graph
        self._reduce_range = reduce_range
        self._ranges = _ranges(graph.path, feeds, method)

    def write(self, path: Path, *, in_float: Collection[str] = ()) -> None:
        """Write the network with all layers in 8 bits but those named.

        Args:
            path: File to write.
            in_float: Names of nodes that stay as they are.
        """
        import onnx
        from onnxruntime.quantization import QDQQuantizer, QuantType

        quantizer = QDQQuantizer(
            onnx.load(str(self.graph.path)),
            True,  # a scale per channel
            self._reduce_range,
            QuantType.QInt8,
            QuantType.QUInt8,
            self._ranges,
            [],
            list(in_float),
            _op_types(),
            {},
        )
        quantizer.quantize_model()
        quantizer.model.save_model_to_file(str(path))

    def write_only(self, path: Path, layer: str) -> None:
        """Write the network with one layer in 8 bits."""
        import onnx

        nodes = onnx.load(str(self.graph.path)).graph.node
        self.write(path, in_float=[one.name for one in nodes if one.name != layer])


def _op_types() -> list[str]:
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    return sorted({*QDQRegistry, *QLinearOpsRegistry})


def _ranges(path: Path, feeds: Sequence[Feeds], method: str) -> Any:
    """Range of every activation, as the library keeps them."""
    from onnxruntime.quantization import CalibrationMethod, create_calibrator

    kinds = dict(
        zip(
            METHODS,
            (CalibrationMethod.MinMax, CalibrationMethod.Percentile, CalibrationMethod.Entropy),
            strict=True,
        )
    )
    with tempfile.TemporaryDirectory() as folder, _quiet():
        calibrator = create_calibrator(
            path,
            _op_types(),
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=kinds[method],
        )
        calibrator.collect_data(_Reader(feeds))
        return calibrator.compute_data()


class _Reader:
    """Inputs one by one, as the library asks for them."""

    def __init__(self, feeds: Sequence[Feeds]) -> None:
        self._rest: Iterator[Feeds] = iter(feeds)

    def __iter__(self) -> Iterator[Feeds]:
        return self._rest

    def __next__(self) -> Feeds:
        return next(self._rest)

    def get_next(self) -> Feeds | None:
        return next(self._rest, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The library prints what it is at."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def write_half(source: Path, target: Path) -> None:
    """A network in 16-bit floats, inputs and outputs still in 32 bits.

    Raises:
        ModelLoadError: it cannot be converted.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    try:
        model = convert_float_to_float16(onnx.load(str(source)), keep_io_types=True)
    except Exception as error:
        raise ModelLoadError(source, f"it cannot be made 16-bit floats: {error}") from error
    onnx.save(model, str(target))


def signal_to_noise_db(reference: Sequence[NDArray[Any]], other: Sequence[NDArray[Any]]) -> float:
    """Power of a network's outputs against that of their difference, decibels.

    The mean over tensors of each one's ratio, so that none counts for its unit.
    """
    ratios = []
    for a, b in zip(reference, other, strict=True):
        power = float(np.square(a, dtype=np.float64).mean())
        noise = float(np.square(np.subtract(a, b, dtype=np.float64)).mean())
        ratios.append(10 * np.log10((power + 1e-12) / (noise + 1e-12)))
    return float(np.mean(ratios))
