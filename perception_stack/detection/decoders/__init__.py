"""How each family of networks writes boxes into its outputs: one file per family.

A decoder says which output shapes it expects and turns outputs into candidate boxes:

* ``shapes(manifest)``: one shape per output tensor, in the order of the file;
* ``decode(outputs, manifest)``: boxes float64 [M, 4], left, top, right, bottom in input pixels,
  and scores float64 [M, C] by class.
"""

from __future__ import annotations

from types import ModuleType

from perception_stack.detection.decoders import fastestdet, nanodet, yolox

DECODERS: dict[str, ModuleType] = {
    "yolox": yolox,
    "nanodet": nanodet,
    "fastestdet": fastestdet,
}
