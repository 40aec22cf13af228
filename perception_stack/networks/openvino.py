"""OpenVINO, on processors and GPUs of Intel and on any x86 or Arm processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from perception_stack.errors import ModelLoadError
from perception_stack.networks.contract import Contract, Options, Tensor

LIBRARY = "openvino"
INSTALL = "pip install openvino"
SUFFIXES = (".xml", ".onnx")


class OpenVinoModel:
    """One request, used again and again."""

    def __init__(self, compiled: Any, contract: Contract) -> None:
        self._request = compiled.create_infer_request()
        self._names = tuple(contract.inputs)
        self._feeds: dict[str, NDArray[Any]] = dict(contract.constants)
        self._num_outputs = len(compiled.outputs)

    def run(self, *tensors: NDArray[Any]) -> list[NDArray[Any]]:
        """Outputs in the order of the file, in the memory of the request."""
        self._feeds.update(zip(self._names, tensors, strict=True))
        self._request.infer(self._feeds, share_inputs=True)
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
    contract.check_inputs(_tensor(one) for one in model.inputs)
    contract.check_outputs([_tensor(one) for one in model.outputs])
    try:
        if model.is_dynamic():
            sizes = {
                name: [-1 if size is None else size for size in one.shape]
                for name, one in contract.inputs.items()
            }
            model.reshape(sizes | {name: [*one.shape] for name, one in contract.constants.items()})
        compiled = core.compile_model(model, device, settings)
    except RuntimeError as error:
        there = ", ".join(core.available_devices)
        why = f"OpenVINO cannot run it on {device} (there is: {there}): {error}"
        raise ModelLoadError(file, why) from error
    return OpenVinoModel(compiled, contract)


def _tensor(port: Any) -> Tensor:
    sizes = [None if one.is_dynamic else one.get_length() for one in port.partial_shape]
    return port.any_name, sizes
