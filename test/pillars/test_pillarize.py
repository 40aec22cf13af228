"""Pillars: compiled, in PyTorch and in plain loops they are the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_stack.pillars.pillarize import pillarize
from perception_stack.pillars.spec import POINT_FEATURES, Grid

GRID = Grid(
    range_m=(-4.0, -2.0, -1.0, 4.0, 2.0, 3.0),
    pillar_m=(0.5, 0.25),
    max_points=5,
    max_pillars=1000,
    pick="first",
    features=POINT_FEATURES,
    intensity_scale=0.5,
)


def plain(xyz, intensity, grid: Grid):
    """As the papers say it: one point after the other."""
    low, high = np.array(grid.range_m[:3]), np.array(grid.range_m[3:])
    members: dict[tuple[int, int], list[int]] = {}
    for i, point in enumerate(xyz.astype(np.float64)):
        if not (np.all(point >= low) and np.all(point < high)):
            continue
        column, row = (int((point[k] - low[k]) // grid.pillar_m[k]) for k in range(2))
        if (row, column) in members or len(members) < grid.max_pillars:
            members.setdefault((row, column), []).append(i)
    features = np.zeros((len(members), grid.max_points, len(grid.features)))
    for p, ((row, column), points) in enumerate(members.items()):
        num = len(points)
        kept = points[: grid.max_points]
        if grid.pick == "even" and num > grid.max_points:
            most = grid.max_points
            kept = [one for j, one in enumerate(points) if (j + 1) * most // num > j * most // num]
        mean = xyz[kept].astype(np.float64).mean(axis=0)
        middle = [
            low[0] + (column + 0.5) * grid.pillar_m[0],
            low[1] + (row + 0.5) * grid.pillar_m[1],
            (low[2] + high[2]) / 2,
        ]
        for j, i in enumerate(kept):
            everything = [*xyz[i], intensity[i] * grid.intensity_scale, 0.0]
            everything += [*(xyz[i] - mean), *(xyz[i] - middle)]
            features[p, j] = [everything[POINT_FEATURES.index(one)] for one in grid.features]
    return features, [row * grid.num_xy[0] + column for row, column in members]


def scan(seed: int, num: int = 900) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    xyz = rng.normal(0, [2.0, 1.0, 1.0], (num, 3)).astype(np.float32)
    xyz[rng.integers(0, num, num // 20)] = np.nan
    return xyz, rng.random(num, dtype=np.float32)


GRIDS = [
    pytest.param(GRID, id="first"),
    pytest.param(replace(GRID, pick="even"), id="even"),
    pytest.param(replace(GRID, max_pillars=40), id="full"),
    pytest.param(replace(GRID, features=("z", "cell_dx", "cell_dx", "mean_dy")), id="columns"),
]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_compiled_pillars_are_those_of_plain_loops(grid: Grid, seed: int) -> None:
    xyz, intensity = scan(seed)
    features, cells = pillarize(xyz, intensity, grid)
    wanted, wanted_cells = plain(xyz, intensity, grid)
    assert cells.tolist() == wanted_cells
    np.testing.assert_allclose(features, wanted, atol=2e-6)


@pytest.mark.parametrize("grid", GRIDS)
def test_torch_gives_the_same_pillars(grid: Grid) -> None:
    torch = pytest.importorskip("torch")
    from perception_stack.pillars.pillarize_torch import padded, pillarize_torch

    xyz, intensity = scan(2)
    features, cells = pillarize(xyz, intensity, grid)
    there, cells_there = pillarize_torch(torch.from_numpy(xyz), torch.from_numpy(intensity), grid)
    np.testing.assert_array_equal(cells_there.numpy(), cells)
    np.testing.assert_allclose(there.numpy(), features, atol=2e-6)
    more, nowhere = padded(there, cells_there, grid)
    assert len(more) == len(nowhere) == grid.max_pillars
    np.testing.assert_array_equal(nowhere[len(cells) :], grid.num_xy[0] * grid.num_xy[1])
    assert not more[len(cells) :].any()


@pytest.mark.parametrize(
    "xyz",
    [
        pytest.param(np.empty((0, 3)), id="empty"),
        pytest.param(np.full((3, 3), np.nan), id="nan"),
        pytest.param(np.array([[4.0, 0, 0], [0, 2.0, 0], [0, 0, 3.0]]), id="on the far border"),
        pytest.param(np.array([[np.inf, 0, 0], [0, -np.inf, 0]]), id="infinite"),
    ],
)
def test_no_point_in_range_makes_no_pillar(xyz: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    from perception_stack.pillars.pillarize_torch import pillarize_torch

    xyz = xyz.astype(np.float32)
    intensity = np.zeros(len(xyz), np.float32)
    features, cells = pillarize(xyz, intensity, GRID)
    assert features.shape == (0, 5, 11)
    assert len(cells) == 0
    there, _ = pillarize_torch(torch.from_numpy(xyz), torch.from_numpy(intensity), GRID)
    assert there.shape == (0, 5, 11)
