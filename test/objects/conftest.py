from __future__ import annotations

import pytest

from perception_stack.objects.library import ObjectModel, load_library
from perception_stack.simulation.table_objects import write_meshes


@pytest.fixture(scope="session")
def table_objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ObjectModel]:
    """The known objects of the simulated table."""
    folder = tmp_path_factory.mktemp("meshes")
    write_meshes(folder)
    return load_library(folder)
