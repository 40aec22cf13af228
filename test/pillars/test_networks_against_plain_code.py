"""Networks layer by layer, and published layouts from weights to boxes, against plain loops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perception_stack.errors import ModelLoadError
from perception_stack.pillars.reading import MapReader
from perception_stack.pillars.spec import Manifest

torch = pytest.importorskip("torch")

from perception_stack.pillars.checkpoints import import_checkpoint  # noqa: E402
from perception_stack.pillars.network import PillarNetwork  # noqa: E402

State = dict[str, np.ndarray]


def norm(x: np.ndarray, state: State, name: str, eps: float, axis: int) -> np.ndarray:
    shape = [1] * x.ndim
    shape[axis] = -1
    weight, bias, mean, variance = (
        state[f"{name}.{one}"].reshape(shape)
        for one in ("weight", "bias", "running_mean", "running_var")
    )
    return np.maximum((x - mean) / np.sqrt(variance + eps) * weight + bias, 0)


def conv(x: np.ndarray, weight: np.ndarray, bias=0.0, *, stride: int = 1) -> np.ndarray:
    """[C, H, W] by [D, C, k, k], zeros around it where k is odd."""
    size = weight.shape[-1]
    pad = size // 2 if size % 2 else 0
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    rows, cols = ((n - size) // stride + 1 for n in x.shape[1:])
    out = np.zeros((len(weight), rows, cols))
    for r in range(rows):
        for c in range(cols):
            view = x[:, r * stride : r * stride + size, c * stride : c * stride + size]
            out[:, r, c] = np.tensordot(weight, view, axes=3)
    return out + np.reshape(bias, (-1, 1, 1))


def deconv(x: np.ndarray, weight: np.ndarray, *, stride: int) -> np.ndarray:
    """[C, H, W] by [C, D, s, s]: every cell becomes s x s cells."""
    out = np.zeros((weight.shape[1], x.shape[1] * stride, x.shape[2] * stride))
    for r in range(x.shape[1]):
        for c in range(x.shape[2]):
            block = np.tensordot(x[:, r, c], weight, axes=1)
            out[:, r * stride : (r + 1) * stride, c * stride : (c + 1) * stride] = block
    return out


def encoded(features: np.ndarray, state: State, linear: str, normed: str) -> np.ndarray:
    weight = state[f"{linear}.weight"].squeeze()
    points = np.stack([[weight @ one for one in pillar] for pillar in features])
    return norm(points, state, normed, 1e-3, axis=2).max(axis=1)


def on_canvas(pillars: np.ndarray, cells: np.ndarray, manifest: Manifest) -> np.ndarray:
    num_x, num_y = manifest.grid.num_xy
    canvas = np.zeros((pillars.shape[1], num_y, num_x))
    for pillar, cell in zip(pillars, cells, strict=True):
        canvas[:, cell // num_x, cell % num_x] = pillar
    return canvas


def extracted(x, state: State, manifest: Manifest, block: str, first: int, branch: str):
    levels = []
    for i, (one, to) in enumerate(
        zip(manifest.trunk.blocks, manifest.trunk.branches, strict=True)
    ):
        for j in range(one.convs + 1):
            number = first + 3 * j
            stride = one.stride if j == 0 else 1
            x = conv(x, state[f"{block.format(i)}.{number}.weight"], stride=stride)
            x = norm(x, state, f"{block.format(i)}.{number + 1}", 1e-3, axis=0)
        up = deconv(x, state[f"{branch.format(i)}.0.weight"], stride=round(to.scale))
        levels.append(norm(up, state, f"{branch.format(i)}.1", 1e-3, axis=0))
    return np.concatenate(levels)


def random_state(shapes: dict[str, tuple[int, ...]], seed: int) -> State:
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in shapes.items():
        values = rng.normal(0, 0.5, shape)
        if name.endswith(("running_var", "norm.weight", "bn.weight")):
            values = rng.uniform(0.5, 1.5, shape)
        state[name] = values.astype(np.float32).astype(np.float64)
    return state


def random_pillars(manifest: Manifest, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    grid = manifest.grid
    features = rng.normal(0, 1, (20, grid.max_points, len(grid.features)))
    features[rng.random(features.shape[:2]) < 0.4] = 0.0
    num_x, num_y = grid.num_xy
    return features.astype(np.float32), rng.permutation(num_x * num_y)[:20].astype(np.int64)


def randomised(network: PillarNetwork, seed: int = 0) -> PillarNetwork:
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.5, generator=generator)
    return network.eval()


def test_layer_by_layer(small: Manifest) -> None:
    network = randomised(PillarNetwork(small))
    state = {name: one.double().numpy() for name, one in network.state_dict().items()}
    features, cells = random_pillars(small)
    with torch.inference_mode():
        pillars = network.encode(torch.from_numpy(features))
        wanted = encoded(features.astype(np.float64), state, "encoder.0.linear", "encoder.0.norm")
        np.testing.assert_allclose(pillars.numpy(), wanted, rtol=1e-4, atol=1e-5)
        canvas = network.canvas(pillars, torch.from_numpy(cells), 1)
        wanted = on_canvas(wanted, cells, small)
        np.testing.assert_allclose(canvas[0].numpy(), wanted, rtol=1e-4, atol=1e-5)
        x = network.extract(canvas)
        renamed = {}
        for name, one in state.items():
            part, i, *rest = name.split(".")
            if part == "backbone":  # here stages hold units of convolution, norm and ReLU
                j, k, kind = rest
                rest = [str(3 * int(j) + int(k)), kind]
            renamed[".".join([part, i, *rest])] = one
        wanted = extracted(wanted, renamed, small, "backbone.{}", 0, "neck.{}")
        np.testing.assert_allclose(x[0].numpy(), wanted, rtol=1e-3, atol=1e-4)


def test_pillars_of_several_scans_do_not_meet(small: Manifest) -> None:
    network = randomised(PillarNetwork(small))
    num_cells = small.grid.num_xy[0] * small.grid.num_xy[1]
    one, other = random_pillars(small, 1), random_pillars(small, 2)
    features = torch.from_numpy(np.concatenate([one[0], other[0]]))
    cells = torch.from_numpy(np.concatenate([one[1], other[1] + num_cells]))
    with torch.inference_mode():
        both = network(features, cells, 2)
        for i, (alone, place) in enumerate((one, other)):
            single = network(torch.from_numpy(alone), torch.from_numpy(place))
            for a, b in zip(both, single, strict=True):
                torch.testing.assert_close(a[i], b[0], rtol=1e-4, atol=1e-5)


def test_pillars_that_stand_nowhere_change_nothing(small: Manifest) -> None:
    network = randomised(PillarNetwork(small))
    features, cells = (torch.from_numpy(one) for one in random_pillars(small))
    nowhere = torch.full((5,), small.grid.num_xy[0] * small.grid.num_xy[1])
    more = torch.cat([features, torch.zeros(5, *features.shape[1:])])
    with torch.inference_mode():
        for a, b in zip(
            network(features, cells), network(more, torch.cat([cells, nowhere])), strict=True
        ):
            torch.testing.assert_close(a, b)


# --- published layouts: names and formulas as their code has them, written out anew ---


def trunk_shapes(manifest: Manifest, encoder, block: str, first: int, branch: str):
    shapes: dict[str, tuple[int, ...]] = {}

    def add_norm(name: str, num: int) -> None:
        for one in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{one}"] = (num,)

    linear, normed, is_conv = encoder
    width = manifest.trunk.pillar_channels[0]
    num_features = len(manifest.grid.features)
    shapes[f"{linear}.weight"] = (width, num_features, 1) if is_conv else (width, num_features)
    add_norm(normed, width)
    for i, (one, to) in enumerate(
        zip(manifest.trunk.blocks, manifest.trunk.branches, strict=True)
    ):
        for j in range(one.convs + 1):
            number = first + 3 * j
            shapes[f"{block.format(i)}.{number}.weight"] = (one.channels, width, 3, 3)
            add_norm(f"{block.format(i)}.{number + 1}", one.channels)
            width = one.channels
        step = round(to.scale)
        shapes[f"{branch.format(i)}.0.weight"] = (width, to.channels, step, step)
        add_norm(f"{branch.format(i)}.1", to.channels)
    return shapes


TRUNKS = {
    "openpcdet": (
        ("vfe.pfn_layers.0.linear", "vfe.pfn_layers.0.norm", False),
        "backbone_2d.blocks.{}",
        1,
        "backbone_2d.deblocks.{}",
    ),
    "mmdet3d": (
        ("voxel_encoder.pfn_layers.0.linear", "voxel_encoder.pfn_layers.0.norm", False),
        "backbone.blocks.{}",
        0,
        "neck.deblocks.{}",
    ),
    "zhulf0804": (
        ("pillar_encoder.conv", "pillar_encoder.bn", True),
        "backbone.multi_blocks.{}",
        0,
        "neck.decoder_blocks.{}",
    ),
}
TRUNKS["mmdet3d_v0"] = TRUNKS["mmdet3d"]
HEADS = {
    "openpcdet": ("dense_head.conv_cls", "dense_head.conv_box", "dense_head.conv_dir_cls"),
    "mmdet3d": ("bbox_head.conv_cls", "bbox_head.conv_reg", "bbox_head.conv_dir_cls"),
    "mmdet3d_v0": ("bbox_head.conv_cls", "bbox_head.conv_reg", "bbox_head.conv_dir_cls"),
    "zhulf0804": ("head.conv_cls", "head.conv_reg", "head.conv_dir_cls"),
}
# prior boxes of the two classes, length, width, height and bottom
PRIORS = (((3.9, 1.6, 1.5), -1.8), ((0.8, 0.6, 1.7), -0.6))
YAWS = (0.0, 1.57)


def limit_period(value: float, offset: float, period: float) -> float:
    return value - np.floor(value / period + offset) * period


def plain_anchor_boxes(maps, manifest: Manifest, layout: str):
    """Every box of the head, decoded as the layout's own code does, with its scores.

    Boxes are x, y, z of the centre, length, width, height and the direction of the front.
    """
    scores, codes, directions = maps
    rows, cols = manifest.map_size
    low_x, low_y, _, high_x, high_y, _ = manifest.grid.range_m
    wlh = layout in {"mmdet3d_v0", "zhulf0804"}
    boxes, logits = [], []
    for r in range(rows):
        for c in range(cols):
            if layout == "openpcdet":  # from corner to corner
                x = low_x + c * (high_x - low_x) / (cols - 1)
                y = low_y + r * (high_y - low_y) / (rows - 1)
            else:
                x = low_x + (c + 0.5) * (high_x - low_x) / cols
                y = low_y + (r + 0.5) * (high_y - low_y) / rows
            for a in range(4):
                (length, width, height), bottom = PRIORS[a // 2]
                first, second = (width, length) if wlh else (length, width)
                code = codes[a * 7 : a * 7 + 7, r, c]
                diagonal = np.hypot(length, width)
                one = [x + code[0] * diagonal, y + code[1] * diagonal]
                one.append(bottom + height / 2 + code[2] * height)
                first, second = first * np.exp(code[3]), second * np.exp(code[4])
                one += [second, first] if wlh else [first, second]
                one.append(height * np.exp(code[5]))
                yaw = YAWS[a % 2] + code[6]
                half = int(np.argmax(directions[a * 2 : a * 2 + 2, r, c]))
                if layout == "openpcdet":
                    yaw = limit_period(yaw - 0.785, 0, np.pi) + 0.785 + np.pi * half
                elif layout == "mmdet3d":
                    offset = -np.pi / 2
                    yaw = limit_period(yaw - offset, 0, np.pi) + offset + np.pi * half
                elif layout == "mmdet3d_v0":  # as its targets are made
                    yaw = limit_period(yaw, 0, np.pi) + np.pi * half
                else:
                    yaw = limit_period(yaw, 1, np.pi) + (1 - half) * np.pi
                one.append(-yaw - np.pi / 2 if wlh else yaw)
                boxes.append(one)
                logits.append(scores[a * 2 : a * 2 + 2, r, c])
    return np.array(boxes), np.array(logits)


def manifest_for(layout: str, family: str, make_manifest: Callable[..., Manifest]) -> Manifest:
    """What a user would write for such a checkpoint; everything is wanted, duplicates as well."""
    reading = {"score_threshold": 1e-6, "nms_iou": 1.0, "candidates": 10**6, "max_boxes": 10**6}
    if family == "centerpoint":
        return make_manifest(family, reading=reading)
    yaws = [-np.pi / 2, -np.pi / 2 - 1.57] if layout in {"mmdet3d_v0", "zhulf0804"} else [0, 1.57]
    anchors = {
        name: {"size_lwh_m": list(size), "bottom_m": bottom, "yaw_rad": [float(y) for y in yaws]}
        for name, (size, bottom) in zip(("car", "walker"), PRIORS, strict=True)
    }
    head = {
        "anchors": anchors,
        "align": "corners" if layout == "openpcdet" else "centers",
        "direction_offset_rad": 0.785 if layout == "openpcdet" else -np.pi / 2,
    }
    return make_manifest(family, head=head, reading=reading)


def save(path: Path, state: State, layout: str) -> Path:
    tensors = {name: torch.from_numpy(one).float() for name, one in state.items()}
    content: dict[str, object] = {"state_dict": tensors}
    if layout == "openpcdet":
        content = {"model_state": tensors, "epoch": 80}
    elif layout == "zhulf0804":
        content = tensors  # type: ignore[assignment]
    else:
        content["meta"] = {"mmdet3d_version": "0.18.1" if layout == "mmdet3d_v0" else "1.4.0"}
    torch.save(content, path)
    return path


def features_and_x(state: State, manifest: Manifest, layout: str):
    features, cells = random_pillars(manifest)
    (linear, normed, _), block, first, branch = TRUNKS[layout]
    pillars = encoded(features.astype(np.float64), state, linear, normed)
    canvas = on_canvas(pillars, cells, manifest)
    return features, cells, extracted(canvas, state, manifest, block, first, branch)


@pytest.mark.parametrize("layout", ["openpcdet", "mmdet3d", "mmdet3d_v0", "zhulf0804"])
def test_published_pointpillars_give_the_boxes_of_their_own_code(
    layout: str, make_manifest: Callable[..., Manifest], tmp_path: Path
) -> None:
    manifest = manifest_for(layout, "pointpillars", make_manifest)
    shapes = trunk_shapes(manifest, *TRUNKS[layout])
    for name, num in zip(HEADS[layout], (8, 28, 8), strict=True):
        shapes |= {f"{name}.weight": (num, 8, 1, 1), f"{name}.bias": (num,)}
    state = random_state(shapes, seed=5)
    for name in shapes:  # codes of a size that boxes have
        if name.startswith(HEADS[layout][1]):
            state[name] *= 0.05
    features, cells, x = features_and_x(state, manifest, layout)
    maps = [conv(x, state[f"{one}.weight"], state[f"{one}.bias"]) for one in HEADS[layout]]
    boxes, logits = plain_anchor_boxes(maps, manifest, layout)

    network = import_checkpoint(save(tmp_path / "them.pth", state, layout), manifest)
    with torch.inference_mode():
        ours = network(torch.from_numpy(features), torch.from_numpy(cells))
    found = MapReader(manifest).read([one.numpy() for one in ours])
    compare(found, boxes, logits)


@pytest.mark.parametrize("layout", ["openpcdet", "mmdet3d", "mmdet3d_v0"])
def test_published_centerpoint_gives_the_boxes_of_its_own_code(
    layout: str, make_manifest: Callable[..., Manifest], tmp_path: Path
) -> None:
    manifest = manifest_for(layout, "centerpoint", make_manifest)
    shapes = trunk_shapes(manifest, *TRUNKS[layout])
    if layout == "openpcdet":
        shared, unit = ("dense_head.shared_conv.0", "dense_head.shared_conv.1"), ("0", "1")
        task = "dense_head.heads_list.{}.{}"
        names = ("center", "center_z", "dim", "rot", "vel", "hm")
    else:
        shared, unit = ("bbox_head.shared_conv.conv", "bbox_head.shared_conv.bn"), ("conv", "bn")
        task = "bbox_head.task_heads.{}.{}"
        names = ("reg", "height", "dim", "rot", "vel", "heatmap")

    def add(conv_name: str, norm_name: str, num: int, width: int) -> None:
        shapes[f"{conv_name}.weight"] = (num, width, 3, 3)
        if layout == "openpcdet":  # with a bias before the norm, as for nuScenes
            shapes[f"{conv_name}.bias"] = (num,)
        for one in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm_name}.{one}"] = (num,)

    add(*shared, 6, 8)
    for t in range(2):
        for name, num in zip(names, (2, 1, 3, 2, 2, 1), strict=True):
            there = task.format(t, name)
            add(f"{there}.0.{unit[0]}", f"{there}.0.{unit[1]}", 5, 6)
            shapes |= {f"{there}.1.weight": (num, 5, 3, 3), f"{there}.1.bias": (num,)}
    state = random_state(
        {f"pts_{n}" if layout == "mmdet3d" else n: s for n, s in shapes.items()}, 7
    )
    state = {name.removeprefix("pts_"): one for name, one in state.items()}
    for name in state:
        if ".dim.1." in name:
            state[name] *= 0.05
    features, cells, x = features_and_x(state, manifest, layout)

    def unit_of(x: np.ndarray, conv_name: str, norm_name: str) -> np.ndarray:
        bias = state.get(f"{conv_name}.bias", 0.0)
        return norm(conv(x, state[f"{conv_name}.weight"], bias), state, norm_name, 1e-5, axis=0)

    x = unit_of(x, *shared)
    boxes, logits = [], []
    for t in range(2):
        out = {}
        for name in names:
            there = task.format(t, name)
            y = unit_of(x, f"{there}.0.{unit[0]}", f"{there}.0.{unit[1]}")
            out[name] = conv(y, state[f"{there}.1.weight"], state[f"{there}.1.bias"])
        offset, z, size, rot, _, heat = (out[name] for name in names)
        for r in range(heat.shape[1]):
            for c in range(heat.shape[2]):
                first, second, height = np.exp(size[:, r, c])
                place = [(c + offset[0, r, c]) * 1.0, (r + offset[1, r, c]) * 1.0 - 3.0]
                if layout == "openpcdet":
                    sides, yaw = [first, second], np.arctan2(rot[1, r, c], rot[0, r, c])
                elif layout == "mmdet3d":
                    sides, yaw = [first, second], np.arctan2(rot[0, r, c], rot[1, r, c])
                else:
                    sides = [second, first]
                    yaw = -np.arctan2(rot[0, r, c], rot[1, r, c]) - np.pi / 2
                boxes.append([*place, z[0, r, c], *sides, height, yaw])
                both = [-np.inf, -np.inf]
                both[t] = heat[0, r, c]
                logits.append(both)
    if layout != "openpcdet":  # beside the parts of a camera
        state = {f"pts_{name}": one for name, one in state.items()}
    path = save(tmp_path / "them.pth", state, layout)
    network = import_checkpoint(path, manifest, layout=layout)
    with torch.inference_mode():
        ours = network(torch.from_numpy(features), torch.from_numpy(cells))
    found = MapReader(manifest).read([one.numpy() for one in ours])
    compare(found, np.array(boxes), np.array(logits))


def compare(found, boxes: np.ndarray, logits: np.ndarray) -> None:
    """All boxes with all their classes, whatever their order."""
    row, label = np.nonzero(logits > np.log(1e-6))
    assert len(found.score) == len(row)
    score = 1 / (1 + np.exp(-logits[row, label]))
    wanted = np.column_stack([label, score, boxes[row]])
    ours = np.column_stack([found.label, found.score, found.boxes])
    for table in (wanted, ours):
        table[:, 8] = np.cos(table[:, 8]) + 2 * np.sin(table[:, 8])  # the same for whole turns
    order = [np.lexsort(np.round(table[:, [3, 2, 4, 0]], 3).T) for table in (wanted, ours)]
    np.testing.assert_allclose(ours[order[1]], wanted[order[0]], rtol=2e-3, atol=2e-3)


def small_checkpoint(make_manifest, tmp_path: Path) -> tuple[Path, State, Manifest]:
    manifest = manifest_for("zhulf0804", "pointpillars", make_manifest)
    shapes = trunk_shapes(manifest, *TRUNKS["zhulf0804"])
    for name, num in zip(HEADS["zhulf0804"], (8, 28, 8), strict=True):
        shapes |= {f"{name}.weight": (num, 8, 1, 1), f"{name}.bias": (num,)}
    return tmp_path / "them.pth", random_state(shapes, 1), manifest


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param(
            lambda s: s.pop("head.conv_reg.bias"), r"missing head\.conv_reg\.bias", id="missing"
        ),
        pytest.param(
            lambda s: s.update({"rcnn.weight": np.zeros(3)}), r"left over rcnn\.weight", id="more"
        ),
        pytest.param(
            lambda s: s.update({"head.conv_cls.weight": np.zeros((6, 8, 1, 1))}),
            r"head\.conv_cls\.weight is \[6, 8, 1, 1\], the manifest makes it \[8, 8, 1, 1\]",
            id="shape",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(change, text: str, make_manifest, tmp_path) -> None:
    path, state, manifest = small_checkpoint(make_manifest, tmp_path)
    change(state)
    with pytest.raises(ModelLoadError, match=text):
        import_checkpoint(save(path, state, "zhulf0804"), manifest)


def test_foreign_files_are_refused(make_manifest, tmp_path) -> None:
    path, state, manifest = small_checkpoint(make_manifest, tmp_path)
    with pytest.raises(ModelLoadError, match="no such file"):
        import_checkpoint(path, manifest)
    path.write_text("no weights")
    with pytest.raises(ModelLoadError, match="no checkpoint"):
        import_checkpoint(path, manifest)
    torch.save({"conv.weight": torch.zeros(3)}, path)
    with pytest.raises(ModelLoadError, match=r"none of openpcdet.* first name is conv\.weight"):
        import_checkpoint(path, manifest)
    with pytest.raises(ModelLoadError, match="layout 'mm' is none of openpcdet, mmdet3d"):
        import_checkpoint(save(path, state, "zhulf0804"), manifest, layout="mm")
    torch.save({"voxel_encoder.pfn_layers.0.linear.weight": torch.zeros(3)}, path)
    with pytest.raises(ModelLoadError, match=r"before 1\.0.* name the layout"):
        import_checkpoint(path, manifest)
