"""OpenVINO, on processors and GPUs of Intel and on any x86 or Arm processor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from perception_stack.detection.backends.contract import Contract, Options, Tensor
from perception_stack.errors import ModelLoadError

LIBRARY = "openvino"
INSTALL = "pip install openvino"
SUFFIXES = (".xml", ".onnx")


class OpenVinoModel:
    """One request, used again and again."""

    def __init__(self, compiled: Any, batch: int | None) -> None:
        self._request = compiled.create_infer_request()
        self._num_outputs = len(compiled.outputs)
        self.batch = batch

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs in the order of the file, in the memory of the request."""
        self._request.infer(dict(inputs), share_inputs=True)
        return [self._request.get_output_tensor(i).data for i in range(self._num_outputs)]


def load(file: Path, contract: Contract, options: Options) -> OpenVinoModel:
    """Open and check an ONNX file or one of OpenVINO.

    Raises:
        ModelLoadError: it is no model, has other tensors, or the device is not there.
    """
    import openvino

    device = "GPU" if options.device == "gpu" else "CPU"
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        # processors with 16-bit units would round scores off, unasked
        "INFERENCE_PRECISION_HINT": "f32",
    }
    if device == "CPU":
        settings["INFERENCE_NUM_THREADS"] = options.num_threads
    try:
        core = openvino.Core()
        model = core.read_model(str(file))
    except RuntimeError as error:
        raise ModelLoadError(file, f"it is no model that OpenVINO reads: {error}") from error
    batch = contract.check_inputs(_tensor(one) for one in model.inputs)
    contract.check_outputs([_tensor(one) for one in model.outputs], batch)
    try:
        if model.is_dynamic():
            model.reshape(_shapes(contract, batch))
        compiled = core.compile_model(model, device, settings)
    except RuntimeError as error:
        there = ", ".join(core.available_devices)
        why = f"OpenVINO cannot run it on {device} (there is: {there}): {error}"
        raise ModelLoadError(file, why) from error
    return OpenVinoModel(compiled, batch)


def _shapes(contract: Contract, batch: int | None) -> dict[str, Any]:
    """Sizes of the inputs, all fixed but that of the batch where any number fits."""
    import openvino

    found: dict[str, Any] = {}
    for name, one in contract.examples(batch or 1).items():
        found[name] = openvino.PartialShape([*one.shape])
        if batch is None:
            found[name][0] = openvino.Dimension(1, contract.most)
    return found


def _tensor(port: Any) -> Tensor:
    sizes = [None if one.is_dynamic else one.get_length() for one in port.partial_shape]
    return port.any_name, sizes
