"""A page for people: tiles, tables and pictures in one HTML file that needs no network.

The same content gives the same bytes. Who evaluates or calibrates fills it; what it looks like
stands here and in the template alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Text in rows and columns.

    Attributes:
        header: Column names, each with an explanation that shows when pointed at.
        rows: Cells; the first of each row names it.
        num_text: How many of the first columns are text; the others are numbers.
        has_total: Whether the first row stands for all others.
    """

    header: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]
    num_text: int = 1
    has_total: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number that matters most."""

    name: str
    value: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image of the page.

    Attributes:
        uri: Data URI.
        alt: What is to be seen.
        wide: Whether it takes the whole width.
        caption: Line above it.
    """

    uri: str
    alt: str
    wide: bool = False
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page."""

    title: str
    intro: str
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    warnings: tuple[str, ...] = ()


def render_page(
    *,
    title: str,
    facts: Mapping[str, str],
    tiles: Sequence[Tile],
    sections: Sequence[Section],
) -> str:
    """The page as HTML; any text is safe in it.

    Args:
        title: Heading.
        facts: Lines below the heading: name and value.
        tiles: The numbers that matter most.
        sections: The parts, from top to bottom.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = files(__package__).joinpath("templates/page.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        title=title, facts=facts, tiles=tiles, sections=sections
    )
