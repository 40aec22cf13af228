"""What the rest of the detector and a back end may expect of each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
    """A network that is ready to run.

    Attributes:
        batch: Images of every run; None: any number up to that of the contract.
    """

    batch: int | None

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs in the order of the file, valid until the next call.

        Args:
            inputs: Every input by name, contiguous; the images float32 [batch, 3, height_px,
                width_px], or without the first axis where the file has none.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a manifest promises about the tensors of a file.

    Attributes:
        manifest: It.
        output_shapes: Shape of each output tensor, in the order of the file; a 1 in front stands
            for the images of a batch.
        extras: Inputs besides the images, by name, for one image; shape and type count, the
            values are examples.
        most: Images that can come at once.
    """

    manifest: Manifest
    output_shapes: tuple[Shape, ...]
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    most: int = 1

    def examples(self, num: int) -> dict[str, NDArray[Any]]:
        """Inputs of the right shapes and types for a number of images, by name, images first."""
        spec = self.manifest.input
        images = np.zeros((num, 3, spec.height_px, spec.width_px), dtype=np.float32)
        found: dict[str, NDArray[Any]] = {spec.name: images if spec.batch_axis else images[0]}
        return found | {name: np.repeat(value, num, axis=0) for name, value in self.extras.items()}

    def check_inputs(self, found: Iterable[Tensor]) -> int | None:
        """Compare names and shapes of a file's inputs.

        Returns:
            Images that the file takes at once; None: as many as one likes.

        Raises:
            ModelLoadError: one is missing, unknown or of another shape; names it.
        """
        shapes = dict(found)
        promised = {name: one.shape for name, one in self.examples(1).items()}
        if missing := sorted(set(promised) - set(shapes)):
            why = f"no input tensor '{missing[0]}'; it has: {', '.join(shapes)}"
            raise ModelLoadError(self.manifest.file, why)
        if unknown := sorted(set(shapes) - set(promised)):
            why = f"the file wants an input '{unknown[0]}' that the manifest does not name"
            raise ModelLoadError(self.manifest.file, why)
        batch = self._batch(shapes[self.manifest.input.name])
        for name, shape in promised.items():
            self._check(name, _of_batch(shape, batch), shapes[name])
        return batch

    @property
    def several(self) -> bool:
        """Whether several images can come, and input and outputs have an axis for them."""
        has_axis = all(shape[0] == 1 for shape in self.output_shapes)
        return self.most > 1 and self.manifest.input.batch_axis and has_axis

    def _batch(self, images: Sequence[Any]) -> int | None:
        """By the shape of the images."""
        if not self.manifest.input.batch_axis:
            return 1
        if _is_dynamic(images[0]):
            return None if self.several else 1
        return int(images[0])

    def check_outputs(self, found: Sequence[Tensor], batch: int | None) -> None:
        """Compare number and shapes of a file's outputs.

        Args:
            found: Of the file.
            batch: As :meth:`check_inputs` says.

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
            self._check(name, _of_batch(promised, batch), shape)

    def _check(self, name: str, promised: Shape, found: Sequence[Any]) -> None:
        """Dynamic dimensions fit anything."""
        fits = len(promised) == len(found) and all(
            want is None or _is_dynamic(there) or there == want
            for want, there in zip(promised, found, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if one is None else str(one) for one in promised)
            why = (
                f"tensor '{name}' is {list(found)}, the manifest's family, input size, strides "
                f"and {len(self.manifest.classes)} classes promise [{wanted}]"
            )
            raise ModelLoadError(self.manifest.file, why)


def _is_dynamic(size: Any) -> bool:
    """Text, None or below 0."""
    return not isinstance(size, int) or size < 0


def _of_batch(shape: Shape, batch: int | None) -> Shape:
    return (batch, *shape[1:]) if shape[0] == 1 else shape
