"""Writes ``docs/parameters.md`` from the steps' configurations; a test fails when it is stale."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from perception_stack.config import ParamSpec, specs
from perception_stack.pipeline.config import section_types

EXAMPLES = """examples:
  python -m perception_stack.tools.write_docs
"""
_HEAD = """# Parameters

Written by `python -m perception_stack.tools.write_docs` from the steps' own descriptions; do not
edit. Each parameter lies in the section of its step, `/**: ros__parameters: STEP: NAME`, and one
file serves every node, the one-process node and the offline tools. Precedence: default <
parameter file < launch argument (offline: `--set`). A node reads its parameters when it starts;
those called live it takes while it runs, too (`ros2 param set`).
"""


def parameters_page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for section, config_type in section_types().items():
        parts.append(f"\n## {section}\n")
        parts.append("| parameter | type | default | range | meaning |")
        parts.append("| --- | --- | --- | --- | --- |")
        parts += [_row(spec) for spec in specs(config_type)]
    return "\n".join(parts) + "\n"


def _row(spec: ParamSpec) -> str:
    kind = getattr(spec.type, "__name__", "") if isinstance(spec.type, type) else ""
    if not kind or kind == "tuple":
        kind = f"list of {spec.type.__args__[0].__name__}"
    unit = f" {spec.unit}" if spec.unit else ""
    meaning = spec.text.replace("|", "\\|") + (" Live." if spec.live else "")
    return (
        f"| `{spec.name}` | {kind} | {_value(spec.default)}{unit} | {_range(spec)} | {meaning} |"
    )


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if value == "":
        return '""'
    return str(value).lower() if isinstance(value, bool) else str(value)


def _range(spec: ParamSpec) -> str:
    if spec.choices:
        return ", ".join(spec.choices)
    if spec.low is None and spec.high is None:
        return ""
    low = "" if spec.low is None else f"{spec.low:g}"
    high = "" if spec.high is None else f"{spec.high:g}"
    return f"{low} … {high}"


def main() -> None:
    """Write the page of the repository this module lies in."""
    argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES).parse_args()
    root = Path(__file__).resolve().parent.parent.parent
    (root / "docs" / "parameters.md").write_text(parameters_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
