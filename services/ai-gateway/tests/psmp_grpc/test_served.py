from importlib import import_module
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from metaqore.psmp import v1
from metaqore_mesh.errors import error_of_call

FILES = sorted(path.stem for path in Path(v1.__path__[0]).glob("*_pb2.py"))
SERVICES = {
    service.full_name: service
    for file in FILES
    for service in import_module(f"metaqore.psmp.v1.{file}").DESCRIPTOR.services_by_name.values()
}
METHODS = [f"{service.name}.{method.name}" for service in SERVICES.values() for method in service.methods]


async def test_reflection_and_health_list_every_service(door):
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(door.channel)
    [answer] = [one async for one in stub.ServerReflectionInfo(iter([asked]), timeout=20)]
    listed = {service.name for service in answer.list_services_response.service}
    assert SERVICES.keys() <= listed
    health = health_pb2_grpc.HealthStub(door.channel)
    for name in SERVICES:
        assert (await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=20)).status


@pytest.mark.parametrize("method", METHODS)
async def test_every_call_is_served_and_asks_who_calls(door, method):
    service, _, name = method.partition(".")
    described = SERVICES[f"metaqore.psmp.v1.{service}"].methods_by_name[name]
    request = described.input_type._concrete_class()
    ended = await door.refused(method, iter([request]) if described.client_streaming else request, caller="nobody")
    assert error_of_call(ended).code == "invalid_api_key"
