import pytest

from running_mesh import running_mesh


@pytest.fixture(scope="session")
def mesh(tmp_path_factory):
    """One mesh on the embedded parts, with the real model, for all end-to-end tests of a worker."""
    with running_mesh(tmp_path_factory.mktemp("mesh")) as running:
        yield running
