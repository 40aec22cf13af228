"""What the rest of the detector and a back end may expect of each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from perception_stack.detection.manifest import Manifest
from perception_stack.errors import ModelLoadError

Shape = tuple[int | None, ...]
"""Of a tensor; None fits any size."""
Tensor = tuple[str, Sequence[Any]]
"""Name and shape as a file gives them; what is no number there is dynamic."""


class Model(Protocol):
    """A network that is ready to run."""

    def run(self, tensor: NDArray[np.float32]) -> list[NDArray[Any]]:
        """Outputs in the order of the file, valid until the next call.

        Args:
            tensor: float32 [1, 3, height_px, width_px], contiguous.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a manifest promises about the tensors of a file.

    Attributes:
        manifest: It.
        output_shapes: Shape of each output tensor, in the order of the file.
    """

    manifest: Manifest
    output_shapes: tuple[Shape, ...]

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """[1, 3, height, width]."""
        return 1, 3, self.manifest.input.height_px, self.manifest.input.width_px

    def extra_inputs(self) -> dict[str, NDArray[np.int64]]:
        """Inputs besides the image, by name; the same for every image."""
        spec = self.manifest.input
        if not spec.size_name:
            return {}
        return {spec.size_name: np.array([[spec.width_px, spec.height_px]], dtype=np.int64)}

    def check_inputs(self, found: Iterable[Tensor]) -> None:
        """Compare names and shapes of a file's inputs.

        Raises:
            ModelLoadError: one is missing, unknown or of another shape; names it.
        """
        shapes = dict(found)
        promised: dict[str, Shape] = {self.manifest.input.name: self.input_shape}
        promised |= {name: value.shape for name, value in self.extra_inputs().items()}
        if missing := sorted(set(promised) - set(shapes)):
            why = f"no input tensor '{missing[0]}'; it has: {', '.join(shapes)}"
            raise ModelLoadError(self.manifest.file, why)
        if unknown := sorted(set(shapes) - set(promised)):
            why = f"the file wants an input '{unknown[0]}' that the manifest does not name"
            raise ModelLoadError(self.manifest.file, why)
        for name, shape in promised.items():
            self._check(name, shape, shapes[name])

    def check_outputs(self, found: Sequence[Tensor]) -> None:
        """Compare number and shapes of a file's outputs.

        Raises:
            ModelLoadError: another number, or one has another shape; names it.
        """
        if len(found) != len(self.output_shapes):
            why = (
                f"family '{self.manifest.family}' has {len(self.output_shapes)} output tensors, "
                f"the file has {len(found)}: {', '.join(name for name, _ in found)}"
            )
            raise ModelLoadError(self.manifest.file, why)
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
            why = (
                f"tensor '{name}' is {list(found)}, the manifest's family, input size, strides "
                f"and {len(self.manifest.classes)} classes promise [{wanted}]"
            )
            raise ModelLoadError(self.manifest.file, why)
