"""The table of a server's methods."""

import asyncio
from types import SimpleNamespace

from metaqore.inference.v1 import inference_pb2 as pb
from metaqore.inference.v1 import inference_pb2_grpc as pb_grpc
from metaqore_mesh.grpc.methods import Methods


def called(name):
    return SimpleNamespace(method=name, invocation_metadata=())


def test_what_generated_code_adds_is_found_by_its_full_name():
    methods = Methods()
    pb_grpc.add_InferenceServiceServicer_to_server(pb_grpc.InferenceServiceServicer(), methods)
    found = methods.service(called("/metaqore.inference.v1.InferenceService/Generate"))
    assert found.response_streaming
    assert found.request_deserializer(b"\x0a\x01m") == pb.GenerateRequest(model="m")
    assert methods.service(called("/metaqore.inference.v1.InferenceService/None")) is None
    assert methods.service(called("/other/Generate")) is None


async def test_grpc_waits_for_no_method_by_itself(serve):
    await serve()
    await asyncio.sleep(0.05)
    waiting = [repr(one) for one in asyncio.all_tasks()]
    assert [one for one in waiting if "_request_call" in one]
    assert not [one for one in waiting if "_request_registered_call" in one]
