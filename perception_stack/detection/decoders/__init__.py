"""How each family of networks writes objects into its outputs: one file per family.

A decoder says which output shapes it expects and turns the outputs for one image into
:class:`~perception_stack.detection.candidates.Candidates`:

* ``shapes(manifest)``: one shape per output tensor, in the order of the file; a 1 in front stands
  for the images of a batch, a tensor without it is of one image only;
* ``decode(outputs, manifest, least)``: what cannot reach the score ``least`` may be left out, and
  should be, as that is most of it. What is no number stays, so that it is counted;
* ``ROLES``, if exports of a family differ in the order or kind of their tensors: the sets of
  names that ``outputs`` of a manifest may list, the usual order first;
* ``GIVES``, if it gives more than upright boxes: of ``masks``, ``keypoints``, ``angles``.
"""

from __future__ import annotations

from types import ModuleType

from perception_stack.detection.decoders import (
    centernet,
    fastestdet,
    mask_rcnn,
    nanodet,
    queries,
    yolov8,
    yolov8_obb,
    yolov8_pose,
    yolov8_seg,
    yolox,
)
from perception_stack.detection.manifest import Manifest
from perception_stack.errors import ModelLoadError

DECODERS: dict[str, ModuleType] = {
    "yolox": yolox,
    "yolov8": yolov8,
    "yolov8_seg": yolov8_seg,
    "yolov8_pose": yolov8_pose,
    "yolov8_obb": yolov8_obb,
    "nanodet": nanodet,
    "fastestdet": fastestdet,
    "centernet": centernet,
    "queries": queries,
    "mask_rcnn": mask_rcnn,
}


def decoder_for(manifest: Manifest) -> ModuleType:
    """The decoder of a manifest's family.

    Raises:
        ModelLoadError: an unknown family, or ``outputs`` or ``keypoints`` that it does not have.
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
    if bool(manifest.keypoints) != ("keypoints" in gives(manifest)):
        verb = "has no" if manifest.keypoints else "needs the names of its"
        why = f"family '{manifest.family}' {verb} keypoints (key 'keypoints')"
        raise ModelLoadError(manifest.file, why)
    if "angles" in gives(manifest) and manifest.input.resize == "stretch":
        why = "stretching an image makes other shapes of oriented boxes; resize by a letterbox"
        raise ModelLoadError(manifest.file, why)
    return decoder


def gives(manifest: Manifest) -> frozenset[str]:
    """What a manifest's network says besides upright boxes: masks, keypoints, angles."""
    found = frozenset(getattr(DECODERS[manifest.family], "GIVES", ()))
    return found | ({"masks"} & set(manifest.outputs))
