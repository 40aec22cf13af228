"""PyTorch: an exported program (``torch.export.save``) or a TorchScript file.

An exported program can be compiled (``torch.compile``). On a GPU any other is recorded once as a
CUDA graph and replayed as a whole.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from perception_stack.errors import ModelLoadError
from perception_stack.networks.contract import VARIES, Contract, Model, Options

LIBRARY = "torch"
INSTALL = "pip install torch"
SUFFIXES = (".pt2", ".pt", ".torchscript")
_EXPORTED = ".pt2"
_WARM_RUNS = 3
_LOG = logging.getLogger(__name__)

Call = Callable[..., Any]


class TorchModel:
    """A module on a device; inputs are given in the order of the contract."""

    def __init__(self, module: Call, device: str, *, fp16: bool) -> None:
        self._module, self._device, self._fp16 = module, device, fp16
        self.size: int | None = None

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs in the order in which the module returns them."""
        import torch

        with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=self._fp16):
            fed = (torch.from_numpy(one).to(self._device) for one in inputs.values())
            found = _outputs(self._module(*fed))
        return [one.cpu().numpy() for one in found]


class CapturedModel:
    """A module on a GPU, recorded once and replayed as a whole (CUDA graph).

    At one image or scan at a time a GPU waits for the next kernel most of the time; a replay
    starts all of them at once. It needs inputs of one size at one place: what is fed is copied
    there, and the rest of the largest size says that nothing is there. With 16-bit floats products
    are in 16 bits, sums that need it and the weights in 32 (autocast).
    """

    def __init__(self, module: Call, contract: Contract, size: int | None, *, fp16: bool) -> None:
        import torch

        self.size = size
        self._inputs, self._shapes = contract.inputs, contract.output_shapes
        examples = contract.examples(size or contract.most)
        self._fed = {name: torch.from_numpy(one).cuda() for name, one in examples.items()}

        def once() -> list[Any]:
            # what autocast keeps from one run to the next must not be part of the record
            with torch.autocast("cuda", torch.float16, enabled=fp16, cache_enabled=False):
                return [one.float() for one in _outputs(module(*self._fed.values()))]

        self._graph, self._stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            # what libraries choose and allocate at first calls must not be recorded
            for _ in range(_WARM_RUNS):
                once()
            self._stream.synchronize()
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._found = once()

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs in the order in which the module returns them."""
        import torch

        num = 0
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            for name, tensor in inputs.items():
                place, spec = self._fed[name], self._inputs[name]
                if VARIES in spec.shape:
                    axis = spec.shape.index(VARIES)
                    num = tensor.shape[axis]
                    place.narrow(axis, num, place.shape[axis] - num).fill_(spec.nothing)
                    place = place.narrow(axis, 0, num)
                place.copy_(torch.from_numpy(tensor))
            self._graph.replay()
            # copies to the host wait for the stream
            return [
                one.narrow(shape.index(VARIES), 0, num).cpu().numpy()
                if VARIES in shape
                else one.cpu().numpy()
                for one, shape in zip(self._found, self._shapes, strict=True)
            ]


def load(file: Path, contract: Contract, options: Options) -> Model:
    """Open a file and check it on nothing, as it does not tell its shapes itself.

    ``num_threads`` counts for all of PyTorch in this process.

    Raises:
        ModelLoadError: it is no such file, cannot take the input, has other outputs, cannot be
            compiled, or there is no GPU though one is asked for.
    """
    import torch

    has_gpu = torch.cuda.is_available()
    if options.device == "gpu" and not has_gpu:
        why = "device is gpu, PyTorch finds none; see perception-stack doctor"
        raise ModelLoadError(file, why)
    if options.compile and file.suffix != _EXPORTED:
        why = f"to compile takes an exported program (*{_EXPORTED}, torch.export.save)"
        raise ModelLoadError(file, why)
    device = "cuda" if has_gpu and options.device != "cpu" else "cpu"
    torch.set_num_threads(options.num_threads)
    if not zipfile.is_zipfile(file):
        raise ModelLoadError(file, "it is neither an exported program nor a TorchScript file")
    fp16 = options.fp16 and device == "cuda"
    try:
        module = _open(file, device, compiled=options.compile)
        model = TorchModel(module, device, fp16=fp16)
        model.size = _size(model, contract)
    except ModelLoadError:
        raise
    except Exception as error:  # whatever the network's own code raises
        shapes = ", ".join(str(list(one.shape)) for one in contract.examples(1).values())
        why = f"PyTorch cannot run it on {shapes}: {error}"
        raise ModelLoadError(file, why) from error
    if device == "cpu" or options.compile:
        return model
    try:
        return CapturedModel(module, contract, model.size, fp16=fp16)
    except RuntimeError as error:
        _LOG.warning("no CUDA graph can be made of %s: %s", file.name, error)
        return model


def _open(file: Path, device: str, *, compiled: bool) -> Call:
    import torch

    if file.suffix != _EXPORTED:
        scripted: Call = torch.jit.load(str(file), map_location=device).eval()
        return scripted
    module: Call = torch.export.load(str(file)).module().to(device)
    if compiled:
        # on a GPU this makes CUDA graphs of its own
        module = torch.compile(module, mode="reduce-overhead" if device == "cuda" else "default")
    return module


def _size(model: TorchModel, contract: Contract) -> int | None:
    """What a module fixes the size that varies to, found by trying; None: it takes any.

    Raises:
        ModelLoadError: it has other outputs than promised.
    """
    # a module for several images at once may refuse a single one
    if contract.varies and _fits(model, contract, contract.most):
        return None if _fits(model, contract, 1) else contract.most
    outputs = model.run(contract.examples(1))
    contract.check_outputs([(f"output {i}", one.shape) for i, one in enumerate(outputs)], 1)
    return 1


def _fits(model: TorchModel, contract: Contract, size: int) -> bool:
    try:
        outputs = model.run(contract.examples(size))
        contract.check_outputs([("", one.shape) for one in outputs], size)
    except Exception as error:  # whatever the network's own code raises
        _LOG.debug("not of size %d: %s", size, error)
        return False
    return True


def _outputs(found: Any) -> list[Any]:
    import torch

    outputs = found.values() if isinstance(found, dict) else found
    return [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
