"""Fixed joints of a robot description (URDF), as a snippet to paste or a whole file to read."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_formats.angles import angles_of, rotation_of
from perception_stack.io.calibration_formats.parsing import numbers


def dump_urdf(transforms: Sequence[RigidTransform]) -> str:
    """One link and one fixed joint for each child; parents are taken to exist."""
    parts = []
    for one in transforms:
        child, xyz = one.source, " ".join(map(repr, one.translation_m.tolist()))
        joint = ElementTree.Element("joint", name=f"{child}_joint", type="fixed")
        ElementTree.SubElement(joint, "parent", link=one.target)
        ElementTree.SubElement(joint, "child", link=child)
        rpy = " ".join(map(repr, angles_of(one.rotation)))
        ElementTree.SubElement(joint, "origin", xyz=xyz, rpy=rpy)
        ElementTree.indent(joint)
        link = ElementTree.tostring(ElementTree.Element("link", name=child), encoding="unicode")
        parts += [link, ElementTree.tostring(joint, encoding="unicode")]
    return "\n".join(parts) + "\n"


def load_urdf(text: str) -> list[RigidTransform]:
    """The fixed joints of a description or of a snippet; others are passed over.

    Raises:
        CalibrationError: no XML, or a joint that lacks something.
    """
    try:
        root = _parsed(text)
    except ElementTree.ParseError as error:
        raise CalibrationError(f"not XML: {error}") from error
    return [_transform(joint) for joint in root.iter("joint") if joint.get("type") == "fixed"]


def _parsed(text: str) -> ElementTree.Element:
    if "<robot" in text:
        return ElementTree.fromstring(text)
    return ElementTree.fromstring(f"<robot>{text}</robot>")  # a snippet has no root


def _transform(joint: ElementTree.Element) -> RigidTransform:
    what = f"joint '{joint.get('name')}'"
    frames = []
    for key in ("parent", "child"):
        element = joint.find(key)
        if element is None or not element.get("link"):
            raise CalibrationError(f"{what} has no {key}")
        frames.append(str(element.get("link")))
    origin = joint.find("origin")
    given = {} if origin is None else origin.attrib  # both are optional in URDF
    xyz = numbers(given.get("xyz", "0 0 0").split(), 3, f"{what}: xyz")
    rpy = numbers(given.get("rpy", "0 0 0").split(), 3, f"{what}: rpy")
    return RigidTransform(
        target=frames[0],
        source=frames[1],
        rotation=rotation_of(*rpy.tolist()),
        translation_m=xyz,
    )
