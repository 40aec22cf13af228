"""OpenVINO, on processors and GPUs of Intel and on any x86 or Arm processor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from perception_stack.errors import ModelLoadError
from perception_stack.networks.contract import VARIES, Contract, Options, Tensor

LIBRARY = "openvino"
INSTALL = "pip install openvino"
SUFFIXES = (".xml", ".onnx")


class OpenVinoModel:
    """One request, used again and again."""

    def __init__(self, compiled: Any, size: int | None) -> None:
        self._request = compiled.create_infer_request()
        self._num_outputs = len(compiled.outputs)
        self.size = size

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs in the order of the file, in the memory of the request."""
        self._request.infer(dict(inputs), share_inputs=True)
        return [self._request.get_output_tensor(i).data for i in range(self._num_outputs)]


def load(file: Path, contract: Contract, options: Options) -> OpenVinoModel:
    """Open and check an ONNX file or one of OpenVINO.

    Raises:
        ModelLoadError: it is no model, has other tensors, or the device is not there.
    """
    device = "GPU" if options.device == "gpu" else "CPU"
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        # processors with 16-bit units would round scores off, unasked
        "INFERENCE_PRECISION_HINT": "f32",
    }
    if device == "CPU":
        settings["INFERENCE_NUM_THREADS"] = options.num_threads
    try:
        core = _core()
        model = core.read_model(str(file))
    except RuntimeError as error:
        raise ModelLoadError(file, f"it is no model that OpenVINO reads: {error}") from error
    size = contract.check_inputs(_tensor(one) for one in model.inputs)
    contract.check_outputs([_tensor(one) for one in model.outputs], size)
    try:
        if model.is_dynamic():
            model.reshape(_shapes(contract, size))
        compiled = core.compile_model(model, device, settings)
    except RuntimeError as error:
        there = ", ".join(core.available_devices)
        why = f"OpenVINO cannot run it on {device} (there is: {there}): {error}"
        raise ModelLoadError(file, why) from error
    return OpenVinoModel(compiled, size)


@cache
def _core() -> Any:
    """The one core of the process, kept until it ends.

    The CPU plugin of each core gives its thread another stack for signals and puts the last one
    back when it goes. Of two cores the first to go frees the stack that the second puts back, and
    the next signal ends the process.
    """
    import openvino

    return openvino.Core()


def _shapes(contract: Contract, size: int | None) -> dict[str, Any]:
    """Sizes of the inputs, all fixed but the one that varies where the file takes any."""
    import openvino

    open_size = openvino.Dimension(1, contract.most) if size is None else size
    return {
        name: openvino.PartialShape([open_size if n == VARIES else n for n in one.shape])
        for name, one in contract.inputs.items()
    }


def _tensor(port: Any) -> Tensor:
    sizes = [None if one.is_dynamic else one.get_length() for one in port.partial_shape]
    return port.any_name, sizes
