"""A network as a file that back ends run: ONNX."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch

from perception_stack.pillars.network import PillarNetwork
from perception_stack.pillars.spec import Manifest

INPUTS = ("features", "cells")
_OPSET = 18
_TRACED_PILLARS = 64


def export_onnx(network: PillarNetwork, manifest: Manifest, path: Path) -> None:
    """Write pillar features to maps of one scan; any number of pillars.

    Args:
        network: In evaluation mode, on the CPU.
        manifest: Its sizes.
        path: The file; replaced if it is there.
    """
    grid = manifest.grid
    features = torch.zeros(_TRACED_PILLARS, grid.max_points, len(grid.features))
    cells = torch.arange(_TRACED_PILLARS)
    pillars = torch.export.Dim("pillars", min=1, max=grid.max_pillars)
    outputs = [f"map_{i}" for i in range(len(network(features, cells)))]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(
            network,
            (features, cells),
            str(path),
            input_names=list(INPUTS),
            output_names=outputs,
            dynamic_shapes={"features": {0: pillars}, "cells": {0: pillars}},
            opset_version=_OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
