"""PyTorch: an exported program (``torch.export.save``) or a TorchScript file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from perception_stack.errors import ModelLoadError
from perception_stack.networks.contract import Contract, Options

LIBRARY = "torch"
INSTALL = "pip install torch"
SUFFIXES = (".pt2", ".pt", ".torchscript")
_EXPORTED = ".pt2"
_WARM_RUNS = 3
_TRIED = 2  # of sizes that differ from call to call; 0 and 1 are special to exported programs


class TorchModel:
    """A module on a device; what is constant is given after what is fed."""

    def __init__(self, module: Callable[..., Any], contract: Contract, device: str) -> None:
        import torch

        self._module, self._device = module, device
        self._constants = [torch.from_numpy(one).to(device) for one in contract.constants.values()]

    def run(self, *tensors: NDArray[Any]) -> list[NDArray[Any]]:
        """Outputs in the order in which the module returns them."""
        import torch

        with torch.inference_mode():
            fed = [torch.from_numpy(one).to(self._device) for one in tensors]
            found = self._module(*fed, *self._constants)
        return [one.cpu().numpy() for one in _outputs(found)]


class CapturedModel:
    """A module on a GPU in 16-bit floats, recorded once and replayed as a whole (CUDA graph).

    At one image or scan at a time a GPU waits for the next kernel most of the time; a replay
    starts all of them at once. It needs inputs of one size at one place: what is fed is copied
    there, and the rest of the largest size says that nothing is there. Products are in 16 bits,
    sums that need it and the weights in 32 (autocast).
    """

    def __init__(self, module: Callable[..., Any], contract: Contract) -> None:
        import torch

        self._inputs = tuple(contract.inputs.values())
        self._fed = [
            torch.from_numpy(one.zeros(one.most)).cuda().fill_(one.nothing) for one in self._inputs
        ]
        constants = [torch.from_numpy(one).cuda() for one in contract.constants.values()]

        def once() -> list[Any]:
            # what autocast keeps from one run to the next must not be part of the record
            with torch.autocast("cuda", dtype=torch.float16, cache_enabled=False):
                return [one.float() for one in _outputs(module(*self._fed, *constants))]

        self._graph, self._stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            for _ in range(_WARM_RUNS):
                once()
            self._stream.synchronize()
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._found = once()

    def run(self, *tensors: NDArray[Any]) -> list[NDArray[Any]]:
        """Outputs in the order in which the module returns them."""
        import torch

        with torch.inference_mode(), torch.cuda.stream(self._stream):
            for spec, place, tensor in zip(self._inputs, self._fed, tensors, strict=True):
                place[: len(tensor)].copy_(torch.from_numpy(tensor))
                place[len(tensor) :].fill_(spec.nothing)
            self._graph.replay()
            # copies to the host wait for the stream
            return [one.cpu().numpy() for one in self._found]


def _outputs(found: Any) -> list[Any]:
    import torch

    outputs = found.values() if isinstance(found, dict) else found
    return [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)


def load(file: Path, contract: Contract, options: Options) -> TorchModel | CapturedModel:
    """Open a file and check it on zeros, as it does not tell its shapes itself.

    ``num_threads`` counts for all of PyTorch in this process.

    Raises:
        ModelLoadError: it is no such file, cannot take the input, has other outputs, or there is
            no GPU though one is asked for.
    """
    import torch

    has_gpu = torch.cuda.is_available()
    if options.device == "gpu" and not has_gpu:
        why = "device is gpu, PyTorch finds none; see perception-stack doctor"
        raise ModelLoadError(file, why)
    device = "cuda" if has_gpu and options.device != "cpu" else "cpu"
    torch.set_num_threads(options.num_threads)
    if not zipfile.is_zipfile(file):
        raise ModelLoadError(file, "it is neither an exported program nor a TorchScript file")
    try:
        module: Callable[..., Any]
        if file.suffix == _EXPORTED:
            module = torch.export.load(str(file)).module().to(device)
        else:
            module = torch.jit.load(str(file), map_location=device).eval()
        model = TorchModel(module, contract, device)
        outputs = model.run(*(one.zeros(_TRIED) for one in contract.inputs.values()))
    except Exception as error:  # whatever the network's own code raises
        shapes = ", ".join(str(list(one.shape)) for one in contract.inputs.values())
        why = f"PyTorch cannot run it on {shapes}: {error}"
        raise ModelLoadError(file, why) from error
    contract.check_outputs([(f"output {i}", one.shape) for i, one in enumerate(outputs)])
    if device == "cuda" and options.fp16:
        return CapturedModel(module, contract)
    return model
