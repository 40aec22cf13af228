"""What the classes of a network are called on the way out, and which of them are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.detection.manifest import Manifest, PromptSpec
from perception_stack.errors import ConfigError, ModelLoadError


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Names of the C classes of a network.

    Attributes:
        names: C names; classes that come out under one name are duplicates of each other.
        kept: int [K], classes that are reported.
        groups: int [C], the same number for classes of one name.
    """

    names: tuple[str, ...]
    kept: NDArray[np.intp]
    groups: NDArray[np.intp]

    @classmethod
    def of(cls, manifest: Manifest, names: Sequence[str], wanted: Sequence[str]) -> Labels:
        """Names as a manifest maps them, of which only some are wanted; none: all are.

        Args:
            manifest: Says what classes are called on the way out, and how many there are.
            names: Of the first classes; those beyond are not reported.
            wanted: As they come out.

        Raises:
            ConfigError: a class is wanted that the network never reports.
        """
        renamed = [manifest.class_map.get(one, one) for one in names]
        if strangers := sorted(set(wanted) - set(renamed)):
            raise ConfigError(
                f"detector.classes: {manifest.name} never reports {', '.join(strangers)}"
            )
        kept = [i for i, name in enumerate(renamed) if not wanted or name in wanted]
        renamed += manifest.classes[len(renamed) :]
        groups = np.unique(np.array(renamed), return_inverse=True)[1]
        return cls(names=tuple(renamed), kept=np.array(kept, dtype=np.intp), groups=groups)


class Embeddings:
    """Embeddings of texts, by which some networks know what to look for.

    Args:
        spec: Where they are and where they go.

    Raises:
        ModelLoadError: the archive cannot be read or its arrays differ in length.
    """

    def __init__(self, spec: PromptSpec) -> None:
        self._spec = spec
        try:
            with np.load(spec.file, allow_pickle=False) as archive:
                self._vectors = {name: archive[name] for name in archive.files}
        except (OSError, ValueError) as error:
            why = f"embeddings of the prompts (key 'prompts'): {error}"
            raise ModelLoadError(spec.file, why) from error
        shapes = {vector.shape for vector in self._vectors.values()}
        finite = all(np.isfinite(vector).all() for vector in self._vectors.values())
        if len(shapes) != 1 or len(next(iter(shapes))) != 1 or not finite:
            why = "an archive of prompts holds one list of finite numbers for each, all as long"
            raise ModelLoadError(spec.file, why)

    def names(self, prompts: Sequence[str]) -> tuple[str, ...]:
        """What to look for: the prompts, or all that the archive has if there are none.

        Raises:
            ConfigError: one without embedding, one twice, or more than the network takes.
        """
        chosen = tuple(prompts) or tuple(self._vectors)
        file, slots = self._spec.file.name, self._spec.slots
        if unknown := sorted(set(chosen) - set(self._vectors)):
            known = ", ".join(sorted(self._vectors)[:20])
            raise ConfigError(
                f"detector.prompts: {file} has no embedding of '{unknown[0]}' (it has {known}); "
                "write one with the text encoder that belongs to the network"
            )
        if len(chosen) > slots or len(set(chosen)) < len(chosen):
            raise ConfigError(
                f"detector.prompts: {len(chosen)} prompts, at most {slots} different ones fit"
            )
        return chosen

    def tensor(self, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The input of the network by its name: embeddings of names, zeros in the slots beyond."""
        width = len(next(iter(self._vectors.values())))
        found = np.zeros((1, self._spec.slots, width), dtype=np.float32)
        for slot, name in enumerate(names):
            found[0, slot] = self._vectors[name]
        return {self._spec.name: found}
