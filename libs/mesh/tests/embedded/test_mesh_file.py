"""Where a mesh is looked for and cannot be, somebody is told what to do."""

import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.embedded.mesh_file import read_mesh
from metaqore_mesh.embedded.run_lock import lock_holder


@pytest.mark.parametrize("look", [read_mesh, lock_holder])
@pytest.mark.parametrize("name", ["file", "file/below", "d" * 300])
def test_a_run_directory_that_can_be_none_is_told_as_such(tmp_path, name, look):
    (tmp_path / "file").touch()
    with pytest.raises(MetaQoreError, match="name another in METAQORE_RUN_DIR") as refused:
        look(tmp_path / name)
    assert refused.value.code == "run_directory_unusable"
