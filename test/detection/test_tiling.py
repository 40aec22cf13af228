"""Parts of an image: they cover it, and what they cut comes out whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.detection import tiling
from perception_stack.detection.candidates import Found
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.masks import Piece
from perception_stack.errors import ConfigError

SIZE_PX = (200, 100)
TILES = tiling.tiles_of(SIZE_PX, (2, 1), 0.2)
GROUPS = np.array([0, 1])


@given(
    width=st.integers(1, 3000),
    height=st.integers(1, 3000),
    columns=st.integers(1, 4),
    rows=st.integers(1, 4),
    overlap=st.floats(0, 0.9),
)
def test_parts_cover_the_image_and_lie_in_it(
    width: int, height: int, columns: int, rows: int, overlap: float
) -> None:
    whole, *parts = tiling.tiles_of((width, height), (columns, rows), overlap)
    assert whole == (0, 0, width, height)
    assert 1 + len(parts) == tiling.num_tiles((columns, rows)) or (columns, rows) == (1, 1)
    if not parts:
        return
    seen = np.zeros((2, max(width, height)), bool)
    for one in parts:
        assert 0 <= one.left < one.right <= width
        assert 0 <= one.top < one.bottom <= height
        seen[0, one.left : one.right] = seen[1, one.top : one.bottom] = True
    assert seen[0, :width].all()
    assert seen[1, :height].all()
    assert len({(one.right - one.left, one.bottom - one.top) for one in parts}) == 1


def test_neighbours_share_what_was_asked_for() -> None:
    _, left, right = TILES
    assert (left.left, right.right) == (0, 200)
    assert left.right - right.left == pytest.approx(0.2 * (left.right - left.left), abs=2)


@pytest.mark.parametrize("text", ["", "2", "2x", "0x1", "2x1x1", "-1x2", "axb"])
def test_malformed_grids_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="columns x rows"):
        DetectorConfig(tiles=text)


def found(*rows: tuple[float, float, float, float, float, int]) -> Found:
    table = np.array(rows, float).reshape(-1, 6)
    return Found(
        xyxy_px=table[:, :4],
        score=table[:, 4],
        class_idx=table[:, 5].astype(np.intp),
        masks=tuple(
            (Piece(values=np.ones((1, 1), np.float32), region_px=one, box_px=one),)
            for one in table[:, :4]
        ),
    )


def merged(*parts: Found) -> list[list[float]]:
    one = tiling.merge(parts, TILES, GROUPS, margin_px=1.0)
    return [[*box, score] for box, score in zip(one.xyxy_px.tolist(), one.score, strict=True)]


def test_what_a_border_cut_gives_way_to_the_whole() -> None:
    _, left, right = TILES
    whole = (60, 20, 150, 70, 0.4, 0)
    halves = (60, 20, left.right, 70, 0.9, 0), (right.left, 20, 150, 70, 0.8, 0)
    assert merged(found(whole), found(halves[0]), found(halves[1])) == [[60, 20, 150, 70, 0.4]]


def test_halves_that_nobody_saw_whole_are_joined_with_their_masks() -> None:
    _, left, right = TILES
    first = (60, 20, left.right, 70, 0.7, 0)
    second = (right.left, 22, 150, 71, 0.8, 0)
    one = tiling.merge([found(), found(first), found(second)], TILES, GROUPS, margin_px=1.0)
    assert one.xyxy_px.tolist() == [[60, 20, 150, 71]]
    assert one.score.tolist() == [0.8]
    assert one.masks is not None
    assert [len(mask) for mask in one.masks] == [2]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param((88, 22, 150, 71, 0.8, 1), id="another-class"),
        pytest.param((88, 60, 150, 99, 0.8, 0), id="lower"),
        pytest.param((95, 20, 150, 70, 0.8, 0), id="not-cut"),
    ],
)
def test_others_are_left_apart(second: tuple[float, float, float, float, float, int]) -> None:
    _, left, right = TILES
    assert right.left == 88
    first = (60, 20, left.right, 70, 0.7, 0)
    assert len(merged(found(), found(first), found(second))) == 2


def test_a_box_at_the_border_of_the_image_is_not_cut() -> None:
    whole = (0, 20, 120, 70, 0.4, 0)
    part = (0, 20, 40, 70, 0.9, 0)
    assert sorted(merged(found(whole), found(part), found())) == sorted(
        [[0, 20, 120, 70, 0.4], [0, 20, 40, 70, 0.9]]
    )


def test_nothing_anywhere_is_nothing() -> None:
    assert merged(found(), found(), found()) == []
