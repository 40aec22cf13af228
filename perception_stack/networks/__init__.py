"""What runs a network, of images or of scans: one file per library, loaded only when chosen.

A back end is a module:

* ``LIBRARY``, ``INSTALL``: the Python library it needs, and what to type for it;
* ``SUFFIXES``: files that it reads, best first;
* ``load(file, contract, options)``: a :class:`Model` whose tensors were checked by the contract.

A back end that does not read the file of the manifest takes the one of the same name that it
reads: ``detector.backend: torch`` finds ``yolox_nano.pt2`` beside ``yolox_nano.onnx``.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from perception_stack.errors import ModelLoadError
from perception_stack.networks.contract import Contract, Model, Options

# in the order in which ``auto`` tries them; TensorRT last, as it first builds for minutes
NAMES = ("onnxruntime", "openvino", "torch", "tensorrt")
AUTO = "auto"


def backend(name: str) -> ModuleType:
    """The module of a back end; does not load its library."""
    return importlib.import_module(f"{__name__}.{name}")


def is_installed(name: str) -> bool:
    """Whether the library of a back end is there."""
    return find_spec(backend(name).LIBRARY) is not None


def file_for(name: str, file: Path) -> Path | None:
    """The file that a back end would read for a manifest's ``file``; None if there is none."""
    suffixes = backend(name).SUFFIXES
    if file.suffix in suffixes:
        return file
    return next((one for suffix in suffixes if (one := file.with_suffix(suffix)).is_file()), None)


def usable(file: Path) -> tuple[str, ...]:
    """Back ends whose library and file are there, in the order in which ``auto`` takes them."""
    return tuple(name for name in NAMES if is_installed(name) and file_for(name, file) is not None)


def load(name: str, contract: Contract, options: Options) -> Model:
    """A network that is ready to run.

    Args:
        name: One of :data:`NAMES`, or ``auto`` for the first that is usable.
        contract: What the manifest promises.
        options: How to run it.

    Raises:
        ModelLoadError: library or file is missing, the file is no model, or a tensor differs
            from what is promised; says which, and what to type.
    """
    wanted = contract.file
    if name == AUTO:
        reads = [one for one in NAMES if file_for(one, wanted) is not None]
        if not reads:
            raise ModelLoadError(wanted, f"no back end reads *{wanted.suffix}")
        # with none installed the first one says what to type
        name = next(iter(usable(wanted)), reads[0])
    if not is_installed(name):
        module = backend(name)
        why = f"{module.LIBRARY} is not installed; type: {module.INSTALL}"
        raise ModelLoadError(wanted, why)
    file = file_for(name, wanted)
    if file is None:
        names = " or ".join(wanted.with_suffix(one).name for one in backend(name).SUFFIXES)
        raise ModelLoadError(wanted, f"back end {name} reads {names}, and there is none")
    if not file.is_file():
        raise ModelLoadError(file, "no such file; set model_dir to its folder")
    model: Model = backend(name).load(file, contract, options)
    return model
