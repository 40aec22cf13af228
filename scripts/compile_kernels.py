"""Compiles the machine code of the nodes, which the first to need it would wait minutes for."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from perception_stack.io import messages
from perception_stack.journal import Journal
from perception_stack.pipeline.chain import STEPS, Chain
from perception_stack.pipeline.config import ChainConfig
from perception_stack.tracking.image.config import ImageTrackerConfig
from perception_stack.tracking.image.tracker import ImageTracker


def chain() -> None:
    """From scans and depth images to objects, and to messages."""
    Chain(ChainConfig(), {step: Journal() for step in STEPS}).warm_up()
    messages.warm_up()


def image_tracker() -> None:
    """Boxes in images."""
    ImageTracker(ImageTrackerConfig(), Journal()).warm_up()


def main() -> None:
    """Both at once; they share next to nothing."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(chain), pool.submit(image_tracker)]:
            done.result()


if __name__ == "__main__":
    main()
