"""PyTorch: an exported program (``torch.export.save``) or a TorchScript file.

On a GPU the network is recorded once as a CUDA graph and then replayed, and works in 16-bit floats
if that is wanted. An exported program can be compiled (``torch.compile``), which on a GPU makes
CUDA graphs of its own.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from perception_stack.detection.backends.contract import Contract, Options
from perception_stack.errors import ModelLoadError

LIBRARY = "torch"
INSTALL = "pip install torch"
SUFFIXES = (".pt2", ".pt", ".torchscript")
_EXPORTED = ".pt2"
_ROUNDS_BEFORE_RECORDING = 3
_LOG = logging.getLogger(__name__)

Call = Callable[..., Any]


class TorchModel:
    """A module on a device; inputs are given in the order images, size, prompts."""

    def __init__(self, call: Call, device: str, *, fp16: bool) -> None:
        self._call, self._device, self._fp16 = call, device, fp16
        self.batch: int | None = None

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs in the order in which the module returns them."""
        import torch

        with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=self._fp16):
            found = self._call(*(torch.from_numpy(x).to(self._device) for x in inputs.values()))
        outputs = found.values() if isinstance(found, dict) else found
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
        return [one.cpu().numpy() for one in outputs]


def load(file: Path, contract: Contract, options: Options) -> TorchModel:
    """Open a file and check it on empty images, as it does not tell its shapes itself.

    ``detector.num_threads`` counts for all of PyTorch in this process.

    Raises:
        ModelLoadError: it is no such file, cannot take the input, has other outputs, cannot be
            compiled, or there is no GPU though one is asked for.
    """
    import torch

    has_gpu = torch.cuda.is_available()
    if options.device == "gpu" and not has_gpu:
        why = "detector.device is gpu, PyTorch finds none; see perception-stack doctor"
        raise ModelLoadError(file, why)
    if options.compile and file.suffix != _EXPORTED:
        why = f"detector.compile takes an exported program (*{_EXPORTED}, torch.export.save)"
        raise ModelLoadError(file, why)
    device = "cuda" if has_gpu and options.device != "cpu" else "cpu"
    torch.set_num_threads(options.num_threads)
    if not zipfile.is_zipfile(file):
        raise ModelLoadError(file, "it is neither an exported program nor a TorchScript file")
    try:
        call = _open(file, device, compiled=options.compile)
        model = TorchModel(call, device, fp16=options.fp16 and device == "cuda")
        model.batch = _batch(model, contract)
    except ModelLoadError:
        raise
    except Exception as error:  # whatever the network's own code raises
        shapes = [list(one.shape) for one in contract.examples(1).values()]
        raise ModelLoadError(file, f"PyTorch cannot run it on {shapes}: {error}") from error
    return model


def _open(file: Path, device: str, *, compiled: bool) -> Call:
    import torch

    if file.suffix == _EXPORTED:
        module = torch.export.load(str(file)).module().to(device)
        if compiled:
            mode = "reduce-overhead" if device == "cuda" else "default"
            call: Call = torch.compile(module, mode=mode, dynamic=False)
            return call
    else:
        module = torch.jit.load(str(file), map_location=device).eval()
    return _Recorded(module) if device == "cuda" else module


def _batch(model: TorchModel, contract: Contract) -> int | None:
    """How many images a module takes, found by trying.

    Raises:
        ModelLoadError: it takes one, but has other outputs than promised.
    """
    # a module for several images at once may refuse a single one
    if contract.several and _fits(model, contract, contract.most):
        return None if _fits(model, contract, 1) else contract.most
    outputs = model.run(contract.examples(1))
    contract.check_outputs([(f"output {i}", one.shape) for i, one in enumerate(outputs)], 1)
    return 1


def _fits(model: TorchModel, contract: Contract, num: int) -> bool:
    try:
        outputs = model.run(contract.examples(num))
        contract.check_outputs([("", one.shape) for one in outputs], num)
    except Exception as error:  # whatever the network's own code raises
        _LOG.debug("not %d images at once: %s", num, error)
        return False
    return True


class _Recorded:
    """A CUDA graph of a module for each number of images; a plain call where none can be made."""

    def __init__(self, module: Call) -> None:
        self._module = module
        self._graphs: dict[Any, tuple[Any, list[Any], Any]] = {}
        self._plain = False

    def __call__(self, *tensors: Any) -> Any:
        if self._plain:
            return self._module(*tensors)
        key = tensors[0].shape
        if key not in self._graphs:
            try:
                self._graphs[key] = self._record(tensors)
            except RuntimeError as error:
                _LOG.warning("no CUDA graph can be made of the network: %s", error)
                self._plain = True
                return self._module(*tensors)
        graph, inputs, outputs = self._graphs[key]
        for one, given in zip(inputs, tensors, strict=True):
            one.copy_(given)
        graph.replay()
        return outputs

    def _record(self, tensors: tuple[Any, ...]) -> tuple[Any, list[Any], Any]:
        import torch

        inputs = [one.clone() for one in tensors]
        # what libraries choose and allocate at first calls must not be recorded
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_ROUNDS_BEFORE_RECORDING):
                self._module(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self._module(*inputs)
        return graph, inputs, outputs
