"""How each family of networks writes boxes into its outputs: one file per family.

A decoder says which output shapes it expects and turns outputs into candidate boxes:

* ``shapes(manifest)``: one shape per output tensor, in the order of the file;
* ``decode(outputs, manifest, least)``: boxes float64 [M, 4], left, top, right, bottom in input
  pixels, and scores float64 [M, C] by class. What cannot reach the score ``least`` may be left
  out, and should be, as that is most of it;
* ``ROLES``, if exports of a family differ in the order or kind of their tensors: the sets of
  names that ``outputs`` of a manifest may list, the usual order first.
"""

from __future__ import annotations

from types import ModuleType

from perception_stack.detection.decoders import (
    centernet,
    fastestdet,
    nanodet,
    queries,
    yolov8,
    yolox,
)
from perception_stack.detection.manifest import Manifest
from perception_stack.errors import ModelLoadError

DECODERS: dict[str, ModuleType] = {
    "yolox": yolox,
    "yolov8": yolov8,
    "nanodet": nanodet,
    "fastestdet": fastestdet,
    "centernet": centernet,
    "queries": queries,
}


def decoder_for(manifest: Manifest) -> ModuleType:
    """The decoder of a manifest's family.

    Raises:
        ModelLoadError: an unknown family, or ``outputs`` that it does not have.
    """
    if manifest.family not in DECODERS:
        why = f"family '{manifest.family}' is not one of {', '.join(DECODERS)}"
        raise ModelLoadError(manifest.file, why)
    decoder = DECODERS[manifest.family]
    known: tuple[tuple[str, ...], ...] = getattr(decoder, "ROLES", ())
    if manifest.outputs and sorted(manifest.outputs) not in [sorted(one) for one in known]:
        sets = " or ".join(", ".join(one) for one in known) or "none to be named"
        why = (
            f"outputs of family '{manifest.family}' are {sets}, not {', '.join(manifest.outputs)}"
        )
        raise ModelLoadError(manifest.file, why)
    return decoder
