"""What an alignment may be used for, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception_stack.calibration.grading.grade import (
    Grade,
    Observation,
    Provenance,
    ResidualSummary,
    Verdict,
)
from perception_stack.calibration.grading.transform import six_parameters
from perception_stack.calibration.target_free.score import Resample, Score
from perception_stack.calibration.target_free.search import Found, climb
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform

_GOOD = (np.deg2rad(0.1), 0.025)
_USABLE = (np.deg2rad(0.25), 0.06)
_OBSERVABLE = 0.3  # of the start's error
_LOST_GOOD, _LOST_USABLE = 0.02, 0.1
_CHANCE_GOOD, _CHANCE_USABLE = 2.0, 1.3
_SHIFTS_RAD = np.deg2rad(np.linspace(-0.5, 0.5, 11))
_FEWEST, _STANDS_OUT = 20, 3.0
_NAMES = ("x", "y", "z", "turn about x", "turn about y", "turn about z")


def grade(
    names: Sequence[str],
    camera: CameraModel,
    camera_from_lidar: RigidTransform,
    covariance: FloatArray,
    *,
    scores: Sequence[Score],
    found: Sequence[Found],
    lost: float,
    by_chance: float,
    provenance: Provenance,
) -> Grade:
    """The record of an alignment.

    Args:
        names: Of the frames.
        camera: Of the images.
        camera_from_lidar: Result.
        covariance: float64 [6, 6] over x, y, z and rotation about the camera's axes.
        scores: From the most blurred on.
        found: The best places.
        lost: Share of refits in which another place than the best scores higher.
        by_chance: Best score over the mirrored images, which nothing can fit but by chance.
        provenance: Where it comes from.
    """
    std = np.sqrt(np.diag(covariance))
    share = found[0].value / max(by_chance, 1e-9)
    verdict, why = _judged(std, lost, share)
    focal_px = float(camera.k[0, 0])
    score = scores[-2]  # with less blur, single patches are torn to and fro by chance
    once = np.ones(len(names))
    fitted, by_frame = _offsets(score, found[0].place, np.ones(score.num_tiles))
    held_out = []
    even = np.arange(score.num_tiles) % 2 == 0
    for half in (even, ~even):
        twice = Resample(frames=once, tiles=2.0 * half)
        place = climb(score, found[0].place, resample=twice).place
        held_out.append(_offsets(score, place, 1.0 * ~half)[0])
    return Grade(
        verdict=verdict,
        why=why,
        advice=_advice(std, verdict, len(names)),
        direction=(
            f"It takes points of '{camera_from_lidar.source}' to '{camera_from_lidar.target}': "
            f"the LiDAR is {np.round(camera_from_lidar.translation_m, 3).tolist()} m right, below "
            "and ahead of the camera."
        ),
        fitted=ResidualSummary.of(fitted * focal_px, unit="px"),
        held_out=ResidualSummary.of(np.concatenate(held_out) * focal_px, unit="px"),
        parameters=six_parameters(
            camera_from_lidar,
            covariance,
            names=_NAMES,
            limits=_OBSERVABLE * np.repeat([0.10, np.deg2rad(3)], 3),
        ),
        covariance=covariance,
        observations=tuple(
            Observation(name=name, used=True, error=float(offset * focal_px))
            for name, offset in zip(names, by_frame, strict=True)
        ),
        coverage={"patches of the view": _coverage(score)},
        provenance=provenance,
    )


def _judged(std: FloatArray, lost: float, share: float) -> tuple[Verdict, tuple[str, ...]]:
    """Verdict and reasons from what is known about the result."""
    turn, shift = float(std[3:].max()), float(std[:3].max())
    why = (
        f"The images fit {share:.1f} times as well as mirrored images do by chance.",
        f"In {100 * lost:.0f} % of the refits another pose than this fits better.",
        f"Standard deviations reach {np.rad2deg(turn):.2f} degrees and {100 * shift:.1f} cm.",
    )

    def within(limits: tuple[float, float], chance: float, most_lost: float) -> bool:
        fixed = turn <= limits[0] and shift <= limits[1]
        return bool(fixed and share >= chance and lost <= most_lost)

    if within(_GOOD, _CHANCE_GOOD, _LOST_GOOD):
        return Verdict.GOOD, why
    if within(_USABLE, _CHANCE_USABLE, _LOST_USABLE):
        return Verdict.USABLE, why
    return Verdict.NOT_ENOUGH, why


def _advice(std: FloatArray, verdict: Verdict, num_frames: int) -> tuple[str, ...]:
    if verdict is Verdict.GOOD:
        return ()
    worst = int(np.argmax(std / np.repeat([_GOOD[1], _GOOD[0]], 3)))
    means = (
        "things close by on the left and right, such as parked cars and posts within 10 m",
        "things close by with level edges, such as kerbs, bonnets and markings within 10 m",
        "things close by towards the left and right border of the image",
        "level edges such as roofs of cars, kerbs and stop lines",
        "upright edges such as posts, trunks and corners of houses",
        "edges towards the left and right border of the image",
    )
    return (
        f"Add frames of other scenes to the {num_frames} there are; {_NAMES[worst]} is least "
        f"sure, so take some with {means[worst]}.",
    )


def _offsets(
    score: Score, place: FloatArray, counted: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """How far each patch, and each frame, would like to move in the image, rad.

    Each is tried at small turns of the camera up, down, left and right, and what fits it best is
    taken; patches with few edges, or with nothing that fits best, say nothing.

    Returns:
        float64 [patches counted]; float64 [frames].
    """
    each = score.each(place, slopes=False)
    z = sum(part[..., -1].sum(axis=1) for part in each) / score.spread
    strength = np.maximum(z, 0) / score.spread
    shifts = np.array([(a, b) for a in _SHIFTS_RAD for b in _SHIFTS_RAD])
    values = np.array(
        [
            [
                np.einsum("k,kt->t", strength, part[..., -1])
                for part in score.each(place, shift, slopes=False)
            ]
            for shift in shifts
        ]
    )  # [shifts, frames, tiles]
    length = np.linalg.norm(shifts, axis=1)
    num = sum(np.bincount(tile, minlength=score.num_tiles) for tile in score.tiles)
    by_tile = values.sum(axis=1)
    peak = (by_tile.max(axis=0) - by_tile.mean(axis=0)) / (by_tile.std(axis=0) + 1e-12)
    used = (num >= _FEWEST) & (counted > 0) & (peak > _STANDS_OUT)
    by_tile = length[by_tile[:, used].argmax(axis=0)]
    by_frame = length[values.sum(axis=2).argmax(axis=0)]
    return by_tile, by_frame


def _coverage(score: Score) -> float:
    num = sum(np.bincount(tile, minlength=score.num_tiles) for tile in score.tiles)
    return float(np.mean(num >= _FEWEST))
