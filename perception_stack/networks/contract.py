"""What a step that has a network and a back end that runs it may expect of each other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from perception_stack.errors import ModelLoadError

Shape = tuple[int | None, ...]
"""Of a tensor; None fits any size."""
Tensor = tuple[str, Sequence[Any]]
"""Name and shape as a file gives them; what is no number there is dynamic."""


class Model(Protocol):
    """A network that is ready to run."""

    def run(self, *tensors: NDArray[Any]) -> list[NDArray[Any]]:
        """Outputs in the order of the file, valid until the next call.

        Args:
            tensors: Contiguous arrays, one for each of the contract's inputs in their order.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a network is run.

    Attributes:
        device: ``cpu``, ``gpu``, or ``auto`` for what the library prefers.
        num_threads: Threads on the CPU.
        spin_us: How long they wait for work in a loop, where the library lets one choose.
        engine_dir: Where built engines are kept.
        fp16: Whether an engine may use 16-bit floats.
    """

    device: str
    num_threads: int
    spin_us: int
    engine_dir: Path
    fp16: bool


def engine_folder(given: str) -> Path:
    """Where built engines are kept: the given folder, or the usual one if that is empty."""
    if given:
        return Path(given).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "perception_stack" / "engines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A tensor that is fed at every call.

    Attributes:
        shape: Its shape; None where the size differs from call to call.
        dtype: Of its numbers.
        most: Largest such size.
        nothing: What fills a tensor up to that size where a library needs one size, and means
            that nothing is there.
    """

    shape: Shape
    dtype: type[np.generic] = np.float32
    most: int = 1
    nothing: int = 0

    def zeros(self, size: int) -> NDArray[Any]:
        """Such a tensor, with one size wherever any fits."""
        return np.zeros([size if one is None else one for one in self.shape], dtype=self.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a manifest promises about the tensors of a file.

    Attributes:
        file: The model.
        inputs: What is fed at every call, by name, in the order of :meth:`Model.run`.
        constants: Further inputs, the same at every call, by name.
        output_shapes: Shape of each output tensor, in the order of the file.
        promised_by: What of the manifest the shapes follow from, for error texts.
    """

    file: Path
    inputs: Mapping[str, Input]
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    output_shapes: tuple[Shape, ...]
    promised_by: str

    def check_inputs(self, found: Iterable[Tensor]) -> None:
        """Compare names and shapes of a file's inputs.

        Raises:
            ModelLoadError: one is missing, unknown or of another shape; names it.
        """
        shapes = dict(found)
        promised: dict[str, Shape] = {name: one.shape for name, one in self.inputs.items()}
        promised |= {name: value.shape for name, value in self.constants.items()}
        if missing := sorted(set(promised) - set(shapes)):
            why = f"no input tensor '{missing[0]}'; it has: {', '.join(shapes)}"
            raise ModelLoadError(self.file, why)
        if unknown := sorted(set(shapes) - set(promised)):
            why = f"the file wants an input '{unknown[0]}' that the manifest does not name"
            raise ModelLoadError(self.file, why)
        for name, shape in promised.items():
            self._check(name, shape, shapes[name])

    def check_outputs(self, found: Sequence[Tensor]) -> None:
        """Compare number and shapes of a file's outputs.

        Raises:
            ModelLoadError: another number, or one has another shape; names it.
        """
        if len(found) != len(self.output_shapes):
            why = (
                f"{self.promised_by} promise {len(self.output_shapes)} output tensors, "
                f"the file has {len(found)}: {', '.join(name for name, _ in found)}"
            )
            raise ModelLoadError(self.file, why)
        for promised, (name, shape) in zip(self.output_shapes, found, strict=True):
            self._check(name, promised, shape)

    def _check(self, name: str, promised: Shape, found: Sequence[Any]) -> None:
        """Dynamic dimensions (text, None or below 0) fit anything."""
        fits = len(promised) == len(found) and all(
            want is None or not isinstance(there, int) or there < 0 or there == want
            for want, there in zip(promised, found, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if one is None else str(one) for one in promised)
            why = f"tensor '{name}' is {list(found)}, {self.promised_by} promise [{wanted}]"
            raise ModelLoadError(self.file, why)
