"""A network in ONNX Runtime, checked against what its manifest promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.detection.manifest import Manifest
from perception_stack.errors import ModelLoadError

_ERRORS_ONLY = 3


class OnnxModel:
    """An ONNX file on the CPU.

    Args:
        manifest: Says where the file is and what goes in.
        output_shapes: Shape of each output tensor, in the order of the file.
        num_threads: Threads of the inference.

    Raises:
        ModelLoadError: ONNX Runtime is missing, the file is missing or no ONNX model, or a tensor
            differs from what is promised; names the tensor.
    """

    def __init__(
        self, manifest: Manifest, output_shapes: Sequence[tuple[int, ...]], *, num_threads: int
    ) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            why = "onnxruntime is not installed; type: pip install onnxruntime"
            raise ModelLoadError(manifest.file, why) from error
        if not manifest.file.is_file():
            raise ModelLoadError(
                manifest.file, "no such file; set detector.model_dir to its folder"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(
                str(manifest.file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's own errors have no common root
            raise ModelLoadError(manifest.file, f"it is no ONNX model: {error}") from error
        spec = manifest.input
        self._input_name = spec.name
        inputs = {one.name: one.shape for one in self._session.get_inputs()}
        if spec.name not in inputs:
            why = f"no input tensor '{spec.name}'; it has: {', '.join(inputs)}"
            raise ModelLoadError(manifest.file, why)
        _check(manifest, spec.name, (1, 3, spec.height_px, spec.width_px), inputs[spec.name])
        outputs = self._session.get_outputs()
        if len(outputs) != len(output_shapes):
            why = (
                f"family '{manifest.family}' has {len(output_shapes)} output tensors, the file "
                f"has {len(outputs)}: {', '.join(one.name for one in outputs)}"
            )
            raise ModelLoadError(manifest.file, why)
        for promised, output in zip(output_shapes, outputs, strict=True):
            _check(manifest, output.name, promised, output.shape)

    def run(self, tensor: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Outputs in the order of the file."""
        outputs: list[NDArray[np.float32]] = self._session.run(None, {self._input_name: tensor})
        return outputs


def _check(manifest: Manifest, name: str, promised: tuple[int, ...], found: Sequence[Any]) -> None:
    """Dynamic dimensions (text or None) fit anything."""
    fits = len(promised) == len(found) and all(
        not isinstance(there, int) or there == want
        for want, there in zip(promised, found, strict=True)
    )
    if not fits:
        why = (
            f"tensor '{name}' is {list(found)}, the manifest's family, input size, strides and "
            f"{len(manifest.classes)} classes promise {list(promised)}"
        )
        raise ModelLoadError(manifest.file, why)
