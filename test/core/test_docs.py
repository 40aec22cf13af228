"""Documents that are generated are up to date, and shipped parameter files load."""

from __future__ import annotations

from pathlib import Path

import pytest

from perception_stack.pipeline.config import ChainConfig
from perception_stack.tools.write_docs import parameters_page

ROOT = Path(__file__).resolve().parent.parent.parent


def test_parameter_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    assert written == parameters_page(), "run: python -m perception_stack.tools.write_docs"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "config").glob("*.param.yaml")), ids=lambda path: path.stem
)
def test_shipped_parameter_files_load(path: Path) -> None:
    assert ChainConfig.load(path).tracker.fixed_frame == "odom"
