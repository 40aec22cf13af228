"""What a step that has a network and a back end that runs it may expect of each other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from perception_stack.errors import ModelLoadError

VARIES = -1
"""In a shape: the size that differs from call to call, such as images in a batch or pillars."""
Shape = tuple[int | None, ...]
"""Of a tensor; None fits any size, :data:`VARIES` is the same size in all tensors of a call."""
Tensor = tuple[str, Sequence[Any]]
"""Name and shape as a file gives them; what is no number there is dynamic."""


class Model(Protocol):
    """A network that is ready to run.

    Attributes:
        size: What :data:`VARIES` must be in every call; None: from 1 to the contract's ``most``.
    """

    size: int | None

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs in the order of the file, valid until the next call.

        Args:
            inputs: Every input of the contract, in its order; contiguous.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a network is run.

    Attributes:
        device: ``cpu``, ``gpu``, or ``auto`` for what the library prefers.
        num_threads: Threads on the CPU.
        spin_us: How long they wait for work in a loop, where the library lets one choose.
        engine_dir: Where built engines are kept.
        fp16: Whether a GPU may use 16-bit floats.
        compile: Whether PyTorch compiles the network.
    """

    device: str
    num_threads: int
    spin_us: int
    engine_dir: Path
    fp16: bool
    compile: bool = False


def engine_folder(given: str) -> Path:
    """Where built engines are kept: the given folder, or the usual one if that is empty."""
    if given:
        return Path(given).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "perception_stack" / "engines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A tensor that is fed.

    Attributes:
        shape: Its shape, of numbers and :data:`VARIES`.
        dtype: Of its numbers.
        nothing: What fills it up to a size that is fixed, and means that nothing is there.
    """

    shape: tuple[int, ...]
    dtype: type[np.generic] = np.float32
    nothing: int = 0

    def example(self, size: int) -> NDArray[Any]:
        """A tensor in which nothing is, with a size where it varies."""
        shape = [size if one == VARIES else one for one in self.shape]
        return np.full(shape, self.nothing, dtype=self.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a manifest promises about the tensors of a file.

    Attributes:
        file: The model.
        inputs: What is fed at every call, by name.
        output_shapes: Shape of each output tensor, in the order of the file.
        most: Largest size where one varies.
        promised_by: What of the manifest the shapes follow from, for error texts.
    """

    file: Path
    inputs: Mapping[str, Input]
    output_shapes: tuple[Shape, ...]
    most: int = 1
    promised_by: str

    def examples(self, size: int) -> dict[str, NDArray[Any]]:
        """Inputs in which nothing is, with a size where one varies."""
        return {name: one.example(size) for name, one in self.inputs.items()}

    def filled(self, inputs: Mapping[str, NDArray[Any]], size: int) -> Mapping[str, NDArray[Any]]:
        """Inputs of a size that is fixed: nothing comes after what is there."""
        full = self.examples(size)
        for name, tensor in inputs.items():
            full[name][tuple(slice(num) for num in tensor.shape)] = tensor
        return full

    @property
    def varies(self) -> bool:
        """Whether a size of the inputs differs from call to call."""
        return self.most > 1 and any(VARIES in one.shape for one in self.inputs.values())

    def check_inputs(self, found: Iterable[Tensor]) -> int | None:
        """Compare names and shapes of a file's inputs.

        Returns:
            What the file fixes the size that varies to; None: it takes any.

        Raises:
            ModelLoadError: one is missing, unknown or of another shape; names it.
        """
        shapes = dict(found)
        if missing := sorted(set(self.inputs) - set(shapes)):
            why = f"no input tensor '{missing[0]}'; it has: {', '.join(shapes)}"
            raise ModelLoadError(self.file, why)
        if unknown := sorted(set(shapes) - set(self.inputs)):
            why = f"the file wants an input '{unknown[0]}' that the manifest does not name"
            raise ModelLoadError(self.file, why)
        size = self._size(shapes)
        for name, one in self.inputs.items():
            self._check(name, one.shape, shapes[name], size)
        return size

    def _size(self, shapes: Mapping[str, Sequence[Any]]) -> int | None:
        for name, one in self.inputs.items():
            for promised, there in zip(one.shape, shapes[name], strict=False):
                if promised == VARIES and not _is_dynamic(there):
                    return int(there)
        return None if self.varies else 1

    def check_outputs(self, found: Sequence[Tensor], size: int | None) -> None:
        """Compare number and shapes of a file's outputs.

        Args:
            found: Of the file.
            size: As :meth:`check_inputs` says.

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
            self._check(name, promised, shape, size)

    def _check(self, name: str, promised: Shape, found: Sequence[Any], size: int | None) -> None:
        """Dynamic dimensions fit anything."""
        wanted = [size if one == VARIES else one for one in promised]
        fits = len(wanted) == len(found) and all(
            want is None or _is_dynamic(there) or there == want
            for want, there in zip(wanted, found, strict=True)
        )
        if not fits:
            text = ", ".join("any" if one is None else str(one) for one in wanted)
            why = f"tensor '{name}' is {list(found)}, {self.promised_by} promise [{text}]"
            raise ModelLoadError(self.file, why)


def _is_dynamic(size: Any) -> bool:
    """Text, None or below 0."""
    return not isinstance(size, int) or size < 0
