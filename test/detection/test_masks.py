"""Label images against masks that are blown up, cut and laid over each other one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.detection.masks import Grids, Piece, Prototypes, label_image

cv2 = pytest.importorskip("cv2")


def blown_up(piece: Piece, width: int, height: int) -> np.ndarray:
    """Interpolated at each pixel, as plainly as it can be written; 0 outside of the box."""
    left, top, right, bottom = piece.region_px
    rows, columns = piece.values.shape
    full = np.zeros((height, width))
    for v in range(height):
        for u in range(width):
            if not (piece.box_px[0] <= u + 0.5 < piece.box_px[2]):
                continue
            if not (piece.box_px[1] <= v + 0.5 < piece.box_px[3]):
                continue
            x = np.clip((u + 0.5 - left) / (right - left) * columns - 0.5, 0, columns - 1)
            y = np.clip((v + 0.5 - top) / (bottom - top) * rows - 0.5, 0, rows - 1)
            i, j = int(x), int(y)
            i_next, j_next = min(i + 1, columns - 1), min(j + 1, rows - 1)
            a, b = x - i, y - j
            grid = piece.values.astype(float)
            full[v, u] = (1 - b) * ((1 - a) * grid[j, i] + a * grid[j, i_next]) + b * (
                (1 - a) * grid[j_next, i] + a * grid[j_next, i_next]
            )
    return full


def some_piece(rng: np.random.Generator, width: int, height: int) -> Piece:
    def box(margin: float) -> np.ndarray:
        low = rng.uniform([-margin, -margin], [width, height])
        return np.concatenate([low, low + rng.uniform(1, [width + margin, height + margin])])

    values = rng.normal(size=rng.integers(1, 9, 2)).astype(np.float32)
    return Piece(values=values, region_px=box(20), box_px=box(20))


@given(st.integers(0, 2**32 - 1))
def test_label_image_is_that_of_plain_interpolation(seed: int) -> None:
    """Masks larger and smaller than a pixel, beyond each border of the image, one over another."""
    rng = np.random.default_rng(seed)
    width, height = rng.integers(1, 40, 2)
    pieces = [some_piece(rng, width, height) for _ in range(3)]
    found = label_image([[one] for one in pieces], size_px=(width, height), most=300)
    expected = np.zeros((height, width), np.uint16)
    sure = np.ones((height, width), bool)
    for i in reversed(range(3)):
        full = blown_up(pieces[i], width, height)
        expected[full > 0] = i + 1
        sure &= (np.abs(full) > 1e-4) | (full == 0)
    np.testing.assert_array_equal(found[sure], expected[sure])


def test_a_large_mask_is_that_of_opencv() -> None:
    rng = np.random.default_rng(0)
    values = cv2.GaussianBlur(rng.normal(size=(28, 28)).astype(np.float32), (0, 0), 2)
    whole = np.array([0.0, 0, 500, 300])
    piece = Piece(values=values, region_px=whole, box_px=whole)
    found = label_image([[piece]], size_px=(500, 300), most=1)
    resized = cv2.resize(values, (500, 300), interpolation=cv2.INTER_LINEAR)
    different = (found == 1) != (resized > 0)
    assert np.abs(resized[different]).max(initial=0) < 1e-5
    assert 0.2 < found.mean() < 0.8


@pytest.mark.parametrize(("most", "kind"), [(255, np.uint8), (256, np.uint16)])
def test_type_tells_the_most_objects_apart(most: int, kind: type) -> None:
    box = np.array([0.0, 0, 1, 1])
    one = Piece(values=np.ones((1, 1), np.float32), region_px=box, box_px=box)
    far = np.array([1.0, 0, 2, 1])
    last = Piece(values=one.values, region_px=far, box_px=far)
    found = label_image([[one]] * (most - 1) + [[last]], size_px=(3, 1), most=most)
    assert found.dtype == kind
    assert found.tolist() == [[1, most, 0]]


def test_no_objects_is_an_image_of_zeros() -> None:
    found = label_image([], size_px=(4, 3), most=10)
    assert found.shape == (3, 4)
    assert not found.any()


@pytest.mark.parametrize(
    "box",
    [[-50, -50, -10, -10], [100, 100, 140, 120], [5, 5, 5, 9], [9, 5, 3, 9], [0, 0, 0.2, 0.2]],
    ids=["before", "behind", "no-width", "inside-out", "between-pixels"],
)
def test_boxes_that_hold_no_pixel_mark_none(box: list[float]) -> None:
    box_px = np.array(box, float)
    whole = np.array([0.0, 0, 10, 10])
    for region in (whole, box_px):
        piece = Piece(values=np.ones((4, 4), np.float32), region_px=region, box_px=box_px)
        assert not label_image([[piece]], size_px=(10, 10), most=3).any()


def test_nan_in_a_mask_is_outside_of_it() -> None:
    values = np.full((4, 4), np.nan, np.float32)
    box = np.array([0.0, 0, 10, 10])
    piece = Piece(values=values, region_px=box, box_px=box)
    assert not label_image([[piece]], size_px=(10, 10), most=3).any()


@given(seed=st.integers(0, 2**32 - 1))
def test_cells_that_a_box_does_not_need_change_nothing(seed: int) -> None:
    """The mask of a box from the cells it asks for is that from all cells."""
    rng = np.random.default_rng(seed)
    prototypes = rng.normal(size=(8, 10, 12)).astype(np.float32)
    weights = rng.normal(size=(1, 8)).astype(np.float32)
    low = rng.uniform(-5, [48, 40])
    box = np.concatenate([low, low + rng.uniform(0.1, 30, 2)])
    whole = np.array([0.0, 0, 48, 40])
    full = np.tensordot(weights[0], prototypes, 1).astype(np.float32)
    sources = (Prototypes(prototypes, weights, (48, 40)), Grids(full[None], 0.0, (48, 40)))
    expected = label_image(
        [[Piece(values=full, region_px=whole, box_px=box)]], size_px=(48, 40), most=1
    )
    for source in sources:
        (values,), (edges,) = source.grids(np.array([0]), box[None])
        piece = Piece(values=values, region_px=edges, box_px=box)
        found = label_image([[piece]], size_px=(48, 40), most=1)
        assert np.count_nonzero(found != expected) <= 1
