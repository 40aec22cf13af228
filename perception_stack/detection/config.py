"""Parameters of the image detector step."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import CamerasConfig, param
from perception_stack.detection.tiling import parse
from perception_stack.networks import AUTO, NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig(CamerasConfig):
    """Which model to run, and how."""

    model: str = param("", "Manifest of the model (YAML); empty: no image detector.")
    model_dir: str = param("", "Folder of the model file; empty: beside the manifest.")
    score_threshold: float = param(
        0.0, "Least score of a detection; 0: that of the manifest.", low=0.0, high=1.0
    )
    classes: tuple[str, ...] = param((), "Classes kept, as they come out; empty: all.")
    prompts: tuple[str, ...] = param(
        (),
        "What to look for, where the model takes text; empty: all that it has embeddings of.",
        live=True,
    )
    cameras: tuple[str, ...] = param(
        (), "Several cameras: names; each has NAME/image and NAME/detections."
    )
    compressed: bool = param(
        False, "Take image/compressed (sensor_msgs/CompressedImage), not image."
    )
    tiles: str = param(
        "1x1", "Parts of the image, columns x rows, that are looked at besides the whole of it."
    )
    tile_overlap: float = param(
        0.2, "Share of such a part that its neighbour shows, too.", low=0.0, high=0.9
    )
    backend: str = param(
        AUTO,
        "Library that runs the network; auto: the first of onnxruntime, openvino and torch that "
        "is installed and reads the file.",
        choices=(AUTO, *NAMES),
    )
    device: str = param(
        "auto",
        "Where the network runs; auto: on the GPU where the library can use it.",
        choices=("auto", "cpu", "gpu"),
    )
    num_threads: int = param(
        0, "Threads of the inference on the CPU; 0: as the manifest says.", low=0, high=64
    )
    fp16: bool = param(
        True,
        "16-bit floats on a GPU in PyTorch and TensorRT; from TensorRT 11 on the file decides.",
    )
    compile: bool = param(
        False, "Compile the exported program of PyTorch, which takes a minute at each start."
    )
    engine_dir: str = param(
        "", "Folder where TensorRT's engines are kept; empty: ~/.cache/perception_stack/engines."
    )
    reference: str = param(
        "", "What is usual for images and detections (YAML, see watch.md); empty: no watch."
    )
    build_only: bool = param(
        False, "Load the model, which builds TensorRT's engine if it is stale, and stop."
    )

    def __post_init__(self) -> None:
        # slots=True makes a new class, which the implicit super() does not know
        CamerasConfig.__post_init__(self)
        parse(self.tiles)

    @property
    def tile_grid(self) -> tuple[int, int]:
        """Columns and rows of the parts of an image."""
        return parse(self.tiles)

    @property
    def enabled(self) -> bool:
        """Whether there is a model to run."""
        return bool(self.model)
