"""ONNX Runtime, on the CPU or on a GPU of NVIDIA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from perception_stack.errors import ModelLoadError
from perception_stack.networks.contract import Contract, Options

LIBRARY = "onnxruntime"
INSTALL = "pip install onnxruntime (for a GPU: pip install onnxruntime-gpu)"
SUFFIXES = (".onnx",)
_ERRORS_ONLY = 3
_MAY_SPIN, _SPIN_US = "session.intra_op.allow_spinning", "session.intra_op.spin_duration_us"
_CPU, _GPU = "CPUExecutionProvider", "CUDAExecutionProvider"


class OnnxRuntimeModel:
    """A session whose inputs are read where they lie."""

    def __init__(self, session: Any, size: int | None) -> None:
        self._session, self.size = session, size

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs in the order of the file."""
        outputs: list[NDArray[Any]] = self._session.run(None, inputs)
        return outputs


def load(file: Path, contract: Contract, options: Options) -> OnnxRuntimeModel:
    """Open and check an ONNX file.

    Raises:
        ModelLoadError: it is no ONNX model, has other tensors, or there is no GPU though one is
            asked for.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.num_threads
    settings.inter_op_num_threads = 1
    if options.spin_us:
        settings.add_session_config_entry(_SPIN_US, str(options.spin_us))
    else:
        settings.add_session_config_entry(_MAY_SPIN, "0")
    settings.log_severity_level = _ERRORS_ONLY
    has_gpu = _GPU in onnxruntime.get_available_providers()
    if has_gpu and options.device != "cpu" and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # the loader does not look where CUDA from PyPI lies
    providers = [_GPU, _CPU] if has_gpu and options.device != "cpu" else [_CPU]
    try:
        session = onnxruntime.InferenceSession(str(file), settings, providers=providers)
    except Exception as error:  # the runtime's own errors have no common root
        raise ModelLoadError(file, f"it is no ONNX model: {error}") from error
    # a driver that does not fit makes the session fall back in silence
    if options.device == "gpu" and _GPU not in session.get_providers():
        why = (
            f"device is gpu, ONNX Runtime runs on {session.get_providers()[0]}; "
            "type: pip install onnxruntime-gpu, and see perception-stack doctor for the driver"
        )
        raise ModelLoadError(file, why)
    size = contract.check_inputs((one.name, one.shape) for one in session.get_inputs())
    contract.check_outputs([(one.name, one.shape) for one in session.get_outputs()], size)
    return OnnxRuntimeModel(session, size)
