import os
import socket

import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.ports import free_ports, holder, is_free, require_free


@pytest.fixture
def held():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_free_ports_are_different_and_free():
    found = free_ports(20)
    assert len(set(found)) == 20
    assert all(is_free("127.0.0.1", port) for port in found)


def test_the_holder_of_a_port_is_named(held):
    found = holder(held)
    assert (found.pid, "pytest" in found.program or "python" in found.program) == (os.getpid(), True)
    assert holder(free_ports(1)[0]) is None


def test_every_held_port_is_told_at_once(held):
    with pytest.raises(MetaQoreError) as refused:
        require_free("127.0.0.1", {"METAQORE_A__PORT": held, "METAQORE_B__PORT": held, "C": free_ports(1)[0]})
    assert refused.value.message.count(f"held by process {os.getpid()}") == 2
    assert "METAQORE_FREE_PORTS" in refused.value.message
    require_free("127.0.0.1", {"C": free_ports(1)[0]})


def test_ipv6_is_known():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        assert not is_free("::1", port)
        assert holder(port).pid == os.getpid()
