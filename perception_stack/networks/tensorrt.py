"""TensorRT: an engine built from the ONNX file, kept for this model, GPU and version.

An engine runs only on the kind of GPU and the version of TensorRT that built it. Both and the
content of the model are part of the name under which it is kept, so what is stale is not found
and is built anew. PyTorch holds the memory of the GPU.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.errors import ModelLoadError
from perception_stack.networks.contract import Contract, Options

LIBRARY = "tensorrt"
INSTALL = "pip install tensorrt torch (on a Jetson both come with JetPack)"
SUFFIXES = (".onnx",)
_LEAST_MAJOR = 10  # before, networks and tensors were addressed by other calls
_LOG = logging.getLogger(__name__)


def engine_name(file: Path, *, gpu: str, version: str, fp16: bool, most: int) -> str:
    """File name of an engine.

    Args:
        file: The ONNX file; its content counts, and its name only for people.
        gpu: Name of the GPU.
        version: Of TensorRT.
        fp16: Whether 16-bit floats are allowed.
        most: Largest size where one varies.
    """
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    place = re.sub(r"[^A-Za-z0-9]+", "_", gpu).strip("_")
    precision = "fp16" if fp16 else "fp32"
    return f"{file.stem}-{digest}-{place}-trt{version}-{precision}-{most}.engine"


class TensorRtModel:
    """An engine with its buffers on the GPU, as large as tensors can be."""

    def __init__(self, engine: Any, contract: Contract) -> None:
        import tensorrt
        import torch

        self._context = engine.create_execution_context()
        if self._context is None:
            why = "the GPU has not enough memory for the engine"
            raise ModelLoadError(contract.file, why)
        self._stream = torch.cuda.Stream()
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        inputs = [
            one for one in names if engine.get_tensor_mode(one) == tensorrt.TensorIOMode.INPUT
        ]
        self.size = contract.check_inputs(
            (one, tuple(engine.get_tensor_shape(one))) for one in inputs
        )
        largest = self.size or contract.most
        for name, example in contract.examples(largest).items():
            self._context.set_input_shape(name, example.shape)
        self._outputs = [one for one in names if one not in inputs]
        shapes = {one: tuple(self._context.get_tensor_shape(one)) for one in names}
        contract.check_outputs([(one, shapes[one]) for one in self._outputs], largest)
        if unknown := next(
            (one for one in self._outputs if min(shapes[one], default=0) < 0), None
        ):
            why = f"the size of output '{unknown}' depends on what is fed"
            raise ModelLoadError(contract.file, why)
        self._buffers = {
            one: torch.zeros(
                shapes[one], dtype=_dtype(engine.get_tensor_dtype(one)), device="cuda"
            )
            for one in names
        }
        for name, buffer in self._buffers.items():
            self._context.set_tensor_address(name, buffer.data_ptr())
        self._file = contract.file
        torch.cuda.synchronize()  # the buffers were filled on another stream

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs in the order of the file."""
        import torch

        with torch.cuda.stream(self._stream):
            for name, value in inputs.items():
                self._context.set_input_shape(name, value.shape)
                self._front(name, value.shape).copy_(torch.from_numpy(value))
            if not self._context.execute_async_v3(self._stream.cuda_stream):
                raise ModelLoadError(self._file, "TensorRT could not run the engine")
            # copies to the host wait for the stream
            return [
                self._front(one, self._context.get_tensor_shape(one)).cpu().numpy()
                for one in self._outputs
            ]

    def _front(self, name: str, shape: Sequence[int]) -> Any:
        """A tensor in the front of a buffer, which is as large as the tensor can ever be."""
        shape = tuple(shape)
        return self._buffers[name].flatten()[: math.prod(shape)].view(shape)


def load(file: Path, contract: Contract, options: Options) -> TensorRtModel:
    """The kept engine of an ONNX file, built first if there is none that fits.

    Raises:
        ModelLoadError: there is no GPU or PyTorch cannot use it, the file is no ONNX model that
            TensorRT knows, or it has other tensors.
    """
    import tensorrt

    try:
        import torch
    except ImportError as error:
        raise ModelLoadError(file, f"TensorRT needs PyTorch here; type: {INSTALL}") from error
    if options.device == "cpu" or not torch.cuda.is_available():
        why = "TensorRT needs a GPU of NVIDIA; set detector.backend to onnxruntime"
        raise ModelLoadError(file, why)
    if int(tensorrt.__version__.partition(".")[0]) < _LEAST_MAJOR:
        why = f"TensorRT {tensorrt.__version__} is too old; it takes {_LEAST_MAJOR} or later"
        raise ModelLoadError(file, why)
    logger = tensorrt.Logger(tensorrt.Logger.WARNING)
    name = engine_name(
        file,
        gpu=torch.cuda.get_device_name(),
        version=tensorrt.__version__,
        fp16=options.fp16,
        most=contract.most,
    )
    plan = kept(options.engine_dir / name, lambda: _build(file, contract, options, logger))
    engine = tensorrt.Runtime(logger).deserialize_cuda_engine(plan)
    if engine is None:
        why = f"TensorRT cannot read {options.engine_dir / name}; delete it and start again"
        raise ModelLoadError(file, why)
    return TensorRtModel(engine, contract)


def kept(path: Path, build: Callable[[], bytes]) -> bytes:
    """Content of a file, made by ``build`` and kept if it is not there.

    It appears at once or not at all, also when two processes build it or one is stopped.
    """
    if path.is_file():
        return path.read_bytes()
    _LOG.warning("building %s; this takes minutes, once", path.name)
    content = build()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)
    return content


def _build(file: Path, contract: Contract, options: Options, logger: Any) -> bytes:
    import tensorrt

    builder = tensorrt.Builder(logger)
    network = builder.create_network(0)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(file)):
        errors = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise ModelLoadError(file, f"it is no ONNX model that TensorRT knows: {errors}")
    settings = builder.create_builder_config()
    # from TensorRT 11 on the types in the ONNX file decide, and the flag is gone
    flag = getattr(tensorrt.BuilderFlag, "FP16", None)
    if options.fp16 and flag is not None:
        settings.set_flag(flag)
    inputs = [network.get_input(i) for i in range(network.num_inputs)]
    size = contract.check_inputs((one.name, tuple(one.shape)) for one in inputs)
    if dynamic := [one.name for one in inputs if min(one.shape, default=0) < 0]:
        profile = builder.create_optimization_profile()
        least = contract.examples(size or 1)
        most = contract.examples(size or contract.most)
        for name in dynamic:
            profile.set_shape(name, least[name].shape, most[name].shape, most[name].shape)
        settings.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, settings)
    if plan is None:
        raise ModelLoadError(file, "TensorRT could not build an engine; its log says why")
    return bytes(plan)


def _dtype(kind: Any) -> Any:
    import tensorrt
    import torch

    return torch.from_numpy(np.empty(0, dtype=tensorrt.nptype(kind))).dtype
