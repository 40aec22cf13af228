"""Assignment and loss of the detector against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from perception_stack.geometry.overlap import iou_2d
from perception_stack.training.detector.grid import cells_of, generalised_iou, pairwise_iou
from perception_stack.training.detector.loss import Truth, assign, detector_loss

CPU = torch.device("cpu")


def truth_of(
    *boxes: tuple[float, float, float, float], label: int = 0, ignored: bool = False
) -> Truth:
    num = len(boxes)
    return Truth(
        xyxy_px=torch.tensor([boxes]),
        label=torch.full((1, num), label),
        there=torch.ones(1, num, dtype=torch.bool),
        ignored=torch.full((1, num), ignored),
    )


def silent(num_cells: int, *, num_classes: int = 2) -> torch.Tensor:
    """An output that finds nothing: boxes of one cell about their cells."""
    found = torch.zeros(1, num_cells, 4 + num_classes)
    found[..., :2] = 0.5
    found[..., 4:] = -10.0
    return found


def test_cells_come_row_by_row_finest_grid_first() -> None:
    cells = cells_of(64, 96, device=CPU)
    assert len(cells.stride) == 12 * 8 + 6 * 4 + 3 * 2
    assert cells.center_px[:2].tolist() == [[4.0, 4.0], [12.0, 4.0]]
    assert cells.center_px[12].tolist() == [4.0, 12.0]
    assert cells.center_px[-1].tolist() == [80.0, 48.0]


def test_boxes_mean_offset_from_the_corner_and_log_size() -> None:
    cells = cells_of(32, 32, device=CPU)
    found = torch.zeros(1, len(cells.stride), 4)
    found[0, 5] = torch.tensor([0.25, 0.75, np.log(2.0), np.log(3.0)])  # cell (1, 1) of stride 8
    box = cells.boxes(found)[0, 5]
    np.testing.assert_allclose(box, [10 - 8, 14 - 12, 10 + 8, 14 + 12], atol=1e-5)


def test_overlaps_are_those_of_the_package() -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 50, (2, 6, 2))
    a, b = np.concatenate([low, low + rng.uniform(1, 40, (2, 6, 2))], axis=2)
    got = pairwise_iou(torch.tensor(a), torch.tensor(b)).numpy()
    np.testing.assert_allclose(got, iou_2d(a, b), atol=1e-12)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param((0, 0, 2, 2), 1.0, id="same"),
        pytest.param((1, 0, 3, 2), 2 / 6, id="half-aside"),  # hull 6 = union 6
        pytest.param((2, 2, 4, 4), 0 - (16 - 8) / 16, id="corner-to-corner"),
    ],
)
def test_generalised_overlap_by_hand(other: tuple[float, ...], expected: float) -> None:
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    got = generalised_iou(a, torch.tensor([other], dtype=torch.float32))
    assert got.item() == pytest.approx(expected, abs=1e-6)


def test_a_cell_is_asked_for_its_overlap_in_the_column_of_the_class() -> None:
    cells = cells_of(32, 32, device=CPU)
    found = silent(len(cells.stride))
    truth = truth_of((8.0, 8.0, 16.0, 12.0), label=1)  # half of the box of cell (1, 1)
    targets = assign(found[..., 4:].sigmoid(), cells.boxes(found), truth, cells)
    assert targets.score[0, 5].tolist() == pytest.approx([0.0, 0.5], abs=1e-6)
    # the coarser cells about it may find it too, but overlap it by 1/8 and 1/32 only
    assert targets.finds[0].nonzero().flatten().tolist() == [5, 16, 20]
    assert targets.score[0, 16, 1].item() == pytest.approx(0.5 * (1 / 4) ** 4, rel=1e-4)
    assert targets.quiet.sum() == len(cells.stride) - 3


def test_the_cell_that_agrees_best_is_asked_for_most() -> None:
    cells = cells_of(64, 64, device=CPU)
    found = silent(len(cells.stride))
    # cells 0 to 3 of the first row lie in the object; the box of cell 1 fits it exactly
    truth = truth_of((0.0, 0.0, 32.0, 8.0))
    found[0, 1] = torch.tensor([1.0, 0.5, np.log(4.0), 0.0, -10.0, -10.0])
    scores = torch.full_like(found[..., 4:], 0.25)
    targets = assign(scores, cells.boxes(found), truth, cells)
    score = targets.score[0, :, 0]
    assert score[1].item() == pytest.approx(1.0, abs=1e-6)
    # overlap 1/4 with equal scores: (1/4)^4 of the best agreement
    assert score[0].item() == pytest.approx(0.25**4, rel=1e-4)


def test_an_object_between_the_middles_of_cells_is_found_all_the_same() -> None:
    cells = cells_of(64, 64, device=CPU)
    found = silent(len(cells.stride))
    truth = truth_of((15.0, 14.0, 17.0, 18.0))  # on a corner of cells, no middle inside
    targets = assign(found[..., 4:].sigmoid(), cells.boxes(found), truth, cells)
    assert targets.finds.any()
    assert (targets.xyxy_px[targets.finds] == truth.xyxy_px[0, 0]).all()


def test_a_cell_within_two_objects_takes_the_one_that_it_overlaps_more() -> None:
    cells = cells_of(32, 32, device=CPU)
    found = silent(len(cells.stride))
    truth = truth_of((8.0, 8.0, 16.0, 16.0), (0.0, 0.0, 32.0, 32.0))
    targets = assign(found[..., 4:].sigmoid(), cells.boxes(found), truth, cells)
    assert targets.xyxy_px[0, 5].tolist() == [8.0, 8.0, 16.0, 16.0]
    assert targets.xyxy_px[0, -1].tolist() == [0.0, 0.0, 32.0, 32.0]  # the cell of stride 32


def test_ignored_objects_are_neither_found_nor_denied() -> None:
    cells = cells_of(32, 32, device=CPU)
    found = silent(len(cells.stride))
    truth = truth_of((0.0, 0.0, 16.0, 16.0), ignored=True)
    targets = assign(found[..., 4:].sigmoid(), cells.boxes(found), truth, cells)
    assert not targets.finds.any()
    # four cells of stride 8 and one of stride 16 have their middles in it; the last one's is
    # on its corner
    assert (~targets.quiet).sum() == 5


def test_loss_by_hand() -> None:
    cells = cells_of(32, 32, device=CPU)
    found = silent(len(cells.stride))
    found[0, 5, 5] = 0.0  # score 1/2 for the class of the object that it overlaps by 1/2
    parts = detector_loss(found, truth_of((8.0, 8.0, 16.0, 12.0), label=1), cells)
    # weight and target are 1/2: so much is left of a score that is right; cells 16 and 20 are
    # to say 1/512 and less, which costs ten times that at e^-10, weighted by it once more
    assert parts["class"].item() == pytest.approx(0.5 * np.log(2), abs=1e-4)
    # weight 2, target score 1/2, 1 - GIoU = 1/2, divided by the sum of scores, at least 1
    assert parts["box"].item() == pytest.approx(2 * 0.5 * 0.5, rel=1e-3)


def test_the_loss_of_a_false_alarm_by_hand() -> None:
    cells = cells_of(32, 32, device=CPU)
    found = silent(len(cells.stride))
    found[0, 3, 4] = 0.0
    nothing = Truth(
        xyxy_px=torch.zeros(1, 1, 4),
        label=torch.full((1, 1), -1),
        there=torch.zeros(1, 1, dtype=torch.bool),
        ignored=torch.zeros(1, 1, dtype=torch.bool),
    )
    parts = detector_loss(found, nothing, cells)
    assert parts["class"].item() == pytest.approx(0.75 * 0.25 * np.log(2), rel=1e-4)
    assert parts["box"].item() == 0.0
