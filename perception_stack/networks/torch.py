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
        outputs = found.values() if isinstance(found, dict) else found
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
        return [one.cpu().numpy() for one in outputs]


def load(file: Path, contract: Contract, options: Options) -> TorchModel:
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
    return model
