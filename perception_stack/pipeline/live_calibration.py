"""Calibrates a camera while its images come in: takes views by itself, says what it needs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.camera.calibrate import CameraCalibration, calibrate_camera
from perception_stack.calibration.camera.lens import LENSES
from perception_stack.calibration.camera.selection import Answer, ViewCollector
from perception_stack.calibration.config import CalibrationConfig
from perception_stack.calibration.grading.report import write_grade
from perception_stack.calibration.targets.detection import Sighting, find_board
from perception_stack.datatypes import ColorImage
from perception_stack.errors import CalibrationError
from perception_stack.geometry.board import Board
from perception_stack.io.calibration_files import write_camera_info
from perception_stack.journal import Journal

# From so many views on, each further one is followed by a calibration, for advice
_ADVICE_FROM = 6
_SEEN_BGR, _TAKEN_BGR, _INK_BGR, _SHADE_BGR = (60, 200, 60), (200, 140, 40), (255, 255, 255), 0
_LINE_PX = 18


class LiveCalibration:
    """The views of one camera and what they amount to so far.

    Args:
        config: Board, model and file.
        journal: Counts images that were not taken, and why.
    """

    def __init__(self, config: CalibrationConfig, journal: Journal) -> None:
        self._board = Board.parse(config.live_board)
        self._lens = LENSES.get(config.live_model)
        self._file = Path(config.live_file) if config.live_file else None
        self._journal = journal
        self._frame_id = ""
        self._height_px = 0
        self.start()

    def start(self) -> None:
        """Forget all views and take new ones."""
        self._views: ViewCollector | None = None
        self._last: Sighting | None = None
        self.answer: Answer | None = None
        self.result: CameraCalibration | None = None

    @property
    def num_views(self) -> int:
        """Views taken so far."""
        return 0 if self._views is None else len(self._views.sightings)

    @property
    def progress(self) -> str:
        """Where things stand, in a sentence or two."""
        if self.result is None:
            return f"{self.num_views} views: move the board about, and hold it still"
        grade = self.result.grade
        told = grade.advice[0] if grade.advice else "compute and save"
        return f"{self.num_views} views, {grade.verdict.value}: {told}"

    def offer(self, image: ColorImage, *, now: datetime) -> Answer:
        """Look for the board and keep the view if it is new, sharp and still.

        Raises:
            CalibrationError: the image has another size than those before.
        """
        import cv2

        gray: NDArray[np.uint8] = cv2.cvtColor(image.bgr, cv2.COLOR_BGR2GRAY).astype(np.uint8)
        if self._views is None:
            self._views = ViewCollector(width_px=gray.shape[1])
            self._height_px, self._frame_id = gray.shape[0], image.frame_id
        if gray.shape != (self._height_px, self._views.width_px):
            raise CalibrationError(
                f"the image is {gray.shape[::-1]} pixels large, those before were "
                f"({self._views.width_px}, {self._height_px}); call start"
            )
        name = f"{image.stamp_ns / 1e9:.3f} s"
        self._last = find_board(gray, self._board, name=name, thorough=False)
        self.answer = self._views.offer(gray, self._last, stamp_ns=image.stamp_ns)
        if self.answer.reason is not None:
            self._journal.count(self.answer.reason, stamp_ns=image.stamp_ns, detail=self.answer)
        elif self.num_views >= _ADVICE_FROM:
            self.compute(now=now)
        return self.answer

    def compute(self, *, now: datetime) -> CameraCalibration:
        """Calibrate from the views taken so far.

        Raises:
            CalibrationError: they are too few, or do not agree.
        """
        if self._views is None:
            raise CalibrationError("no image has come yet")
        self.result = calibrate_camera(
            self._views.sightings,
            self._board,
            width_px=self._views.width_px,
            height_px=self._height_px,
            frame_id=self._frame_id,
            now=now,
            lens=self._lens,
        )
        return self.result

    def save(self) -> str:
        """Write the last result and its grade; says where.

        Raises:
            CalibrationError: nothing was computed.
        """
        if self.result is None:
            raise CalibrationError("nothing was computed yet; call compute")
        if self._file is None:
            return "no file is named in calibration.live_file"
        name = self._file.stem
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_camera_info(self._file, self.result.camera, camera_name=name)
        write_grade(self._file, self.result.grade, title=f"Calibration of camera {name}")
        return f"written to {self._file}"

    def picture(self, image: ColorImage) -> ColorImage:
        """The image with the board found, the views taken, and what to do."""
        import cv2

        bgr = image.bgr.copy()
        for one in () if self._views is None else self._views.sightings:
            hull = cv2.convexHull(one.uv_px.astype(np.float32)).astype(np.int32)
            cv2.polylines(bgr, [hull], True, _TAKEN_BGR, 1, cv2.LINE_AA)
        for u, v in () if self._last is None else np.rint(self._last.uv_px).astype(int):
            cv2.circle(bgr, (int(u), int(v)), 3, _SEEN_BGR, 1, cv2.LINE_AA)
        lines = [self.answer.value if self.answer else "", *_wrapped(self.progress, bgr.shape[1])]
        for i, text in enumerate(lines, start=1):
            for color, width in ((_SHADE_BGR, 3), (_INK_BGR, 1)):
                place = (6, _LINE_PX * i)
                cv2.putText(bgr, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, width)
        return ColorImage(frame_id=image.frame_id, stamp_ns=image.stamp_ns, bgr=bgr)


def _wrapped(text: str, width_px: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width=max(width_px // 8, 20))
