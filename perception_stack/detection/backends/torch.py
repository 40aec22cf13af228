"""PyTorch: an exported program (``torch.export.save``) or a TorchScript file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.detection.backends.contract import Contract, Options
from perception_stack.errors import ModelLoadError

LIBRARY = "torch"
INSTALL = "pip install torch"
SUFFIXES = (".pt2", ".pt", ".torchscript")
_EXPORTED = ".pt2"


class TorchModel:
    """A module on a device; inputs are given in the order image, size."""

    def __init__(self, module: Callable[..., Any], contract: Contract, device: str) -> None:
        import torch

        self._module, self._device = module, device
        self._extra = [
            torch.from_numpy(one).to(device) for one in contract.extra_inputs().values()
        ]

    def run(self, tensor: NDArray[np.float32]) -> list[NDArray[Any]]:
        """Outputs in the order in which the module returns them."""
        import torch

        with torch.inference_mode():
            found = self._module(torch.from_numpy(tensor).to(self._device), *self._extra)
        outputs = found.values() if isinstance(found, dict) else found
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
        return [one.cpu().numpy() for one in outputs]


def load(file: Path, contract: Contract, options: Options) -> TorchModel:
    """Open a file and check it on an empty image, as it does not tell its shapes itself.

    ``detector.num_threads`` counts for all of PyTorch in this process.

    Raises:
        ModelLoadError: it is no such file, cannot take the input, has other outputs, or there is
            no GPU though one is asked for.
    """
    import torch

    has_gpu = torch.cuda.is_available()
    if options.device == "gpu" and not has_gpu:
        why = "detector.device is gpu, PyTorch finds none; see perception-stack doctor"
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
        outputs = model.run(np.zeros(contract.input_shape, dtype=np.float32))
    except Exception as error:  # whatever the network's own code raises
        why = f"PyTorch cannot run it on {list(contract.input_shape)}: {error}"
        raise ModelLoadError(file, why) from error
    contract.check_outputs([(f"output {i}", one.shape) for i, one in enumerate(outputs)])
    return model
