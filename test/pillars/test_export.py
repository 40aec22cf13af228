"""The same maps from PyTorch, ONNX Runtime and OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perception_stack import networks
from perception_stack.errors import ModelLoadError
from perception_stack.networks.contract import Contract, Input, Options
from perception_stack.pillars.detector import contract_of
from perception_stack.pillars.reading import MapReader
from perception_stack.pillars.spec import Manifest

torch = pytest.importorskip("torch")
for library in ("onnx", "onnxscript", "onnxruntime", "openvino"):
    pytest.importorskip(library)

from perception_stack.pillars.export import export_onnx  # noqa: E402
from perception_stack.pillars.network import PillarNetwork  # noqa: E402

OPTIONS = Options(device="cpu", num_threads=1, spin_us=0, engine_dir=Path(), fp16=False)


def test_back_ends_give_the_maps_of_pytorch_for_any_number_of_pillars(
    make_manifest: Callable[..., Manifest],
) -> None:
    manifest = make_manifest("centerpoint")
    network = PillarNetwork(manifest).eval()
    export_onnx(network, manifest, manifest.file)
    contract = contract_of(manifest, MapReader(manifest))
    models = [networks.load(name, contract, OPTIONS) for name in ("onnxruntime", "openvino")]
    rng = np.random.default_rng(0)
    num_cells = manifest.grid.num_xy[0] * manifest.grid.num_xy[1]
    for num in (1, 17, 90):
        shape = (num, manifest.grid.max_points, len(manifest.grid.features))
        features = rng.normal(size=shape).astype(np.float32)
        cells = rng.permutation(num_cells)[:num].astype(np.int64)
        with torch.inference_mode():
            wanted = network(torch.from_numpy(features), torch.from_numpy(cells))
        for model in models:
            for found, one in zip(model.run(features, cells), wanted, strict=True):
                np.testing.assert_allclose(found, one.numpy(), atol=1e-4)
    other = make_manifest("centerpoint", classes=["car", "walker"], head={
        "tasks": [2], "shared_channels": 6, "channels": 5, "convs": 2, "kernel": 3,
    })  # fmt: skip
    with pytest.raises(ModelLoadError, match=r"'map_1' is .*16, 6, 4.* promise .1, 8, 6, 4"):
        networks.load("onnxruntime", contract_of(other, MapReader(other)), OPTIONS)


def test_exported_program_takes_any_number_of_pillars(tmp_path: Path) -> None:
    class Sums(torch.nn.Module):
        def forward(self, features: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
            return (features.sum() + cells.sum()).reshape(1, 1)

    size = torch.export.Dim("pillars", min=1, max=50)
    program = torch.export.export(
        Sums(),
        (torch.zeros(7, 3), torch.zeros(7, dtype=torch.int64)),
        dynamic_shapes={"features": {0: size}, "cells": {0: size}},
    )
    file = tmp_path / "sums.pt2"
    torch.export.save(program, str(file))
    contract = Contract(
        file=file,
        inputs={
            "features": Input(shape=(None, 3), most=50),
            "cells": Input(shape=(None,), dtype=np.int64, most=50),
        },
        output_shapes=((1, 1),),
        promised_by="the test",
    )
    model = networks.load("torch", contract, OPTIONS)
    for num in (1, 5, 50):
        features, cells = np.ones((num, 3), np.float32), np.arange(num)
        assert model.run(features, cells)[0].item() == 3 * num + cells.sum()
