"""An XML file as a tree of elements that know their line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from ros2cli.errors import LaunchError


@dataclass
class Element:
    """A tag, what is in it, and where it stands."""

    tag: str
    attributes: dict[str, str]
    where: str
    children: list[Element] = field(default_factory=list)

    def children_of(self, tag: str) -> list[Element]:
        """Its children of one tag."""
        return [child for child in self.children if child.tag == tag]

    def error(self, text: str) -> LaunchError:
        """What is wrong here."""
        return LaunchError(text, where=self.where)


def read_xml(path: Path) -> Element:
    """The root of a file.

    Raises:
        LaunchError: it cannot be read or is not XML.
    """
    document = Element(tag="", attributes={}, where=str(path))
    stack = [document]
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        where = f"{path}:{parser.CurrentLineNumber}"
        element = Element(tag=tag, attributes=attributes, where=where)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(path.read_bytes(), True)
    except OSError as error:
        raise LaunchError(f"cannot read launch file: {error.strerror}", where=str(path)) from error
    except expat.ExpatError as error:
        raise LaunchError(f"not XML: {error}", where=str(path)) from error
    return document.children[0]
