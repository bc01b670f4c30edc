"""The load of the crash test: tasks through every door, and a ledger of what was acknowledged."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from metaqore.gateway.v1 import gateway_pb2 as gateway
from metaqore.gateway.v1 import gateway_pb2_grpc as gateway_grpc
from metaqore_governance_core.receipts import parse_token
from running_mesh import RunningMesh

SOURCE = "crash"
REQUESTS, RESULTS = "metaqore.task.requests.v1", "metaqore.task.results.v1"
PAUSE_S = 0.05
AFTER_FAILURE_S = 0.3
DEADLINE_S = 20


@dataclass
class Ledger:
    """What clients were told. `acknowledged` maps a task to the door that answered it."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    receipts: list[str] = field(default_factory=list)
    on_topic: set[str] = field(default_factory=set)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: int = 0

    def answered(self, door: str, token: str) -> None:
        """A client got its whole answer, with this receipt."""
        self.acknowledged[parse_token(token).task] = door


@asynccontextmanager
async def _running(client: AIOKafkaProducer | AIOKafkaConsumer) -> AsyncIterator[None]:
    """Stops a client also where its broker was away when it started: aiokafka's own way leaves that one open."""
    try:
        await client.start()
        yield
    finally:
        await client.stop()


class Load:
    """Sends tasks until it is stopped; failures are expected, and wait a moment."""

    def __init__(self, mesh: RunningMesh, ledger: Ledger, kafka: str, *, idempotent: bool) -> None:
        self._mesh = mesh
        self._ledger = ledger
        self._kafka = kafka
        self._idempotent = idempotent
        self._numbers = itertools.count()
        self._stopping = asyncio.Event()
        self._headers = {"authorization": f"Bearer {mesh.api_key}"}

    async def run(self) -> None:
        """Every door at once until `stop`."""
        async with httpx.AsyncClient(timeout=DEADLINE_S) as http, asyncio.TaskGroup() as group:
            for send in (self._unary, self._unary, self._stream, self._denied, self._model):
                group.create_task(self._again(lambda send=send: send(http)))  # type: ignore[misc]
            group.create_task(self._again(self._grpc))
            group.create_task(self._again(self._publish))
            group.create_task(self._again(self._read_results))

    def stop(self) -> None:
        """No more tasks; those on their way are waited for."""
        self._stopping.set()

    async def _again(self, send: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping.is_set():
            try:
                await send()
                await asyncio.sleep(PAUSE_S)
            except (httpx.HTTPError, grpc.RpcError, KafkaError, TimeoutError, OSError):
                self._ledger.failures += 1
                await asyncio.sleep(AFTER_FAILURE_S)

    def _chat(self, **rest: Any) -> dict[str, Any]:
        text = f"task {next(self._numbers)} {random.random()}"
        return {"model": "stub", "messages": [{"role": "user", "content": text}], **rest}

    async def _post(self, http: httpx.AsyncClient, body: dict[str, Any], expected: int) -> None:
        answer = await http.post(self._url, json=body, headers=self._headers)
        if token := answer.headers.get("x-metaqore-receipt"):
            self._ledger.receipts.append(token)
        if answer.status_code == expected:
            self._ledger.answered("rest", token)
        else:
            self._ledger.failures += 1
            await asyncio.sleep(AFTER_FAILURE_S)

    @property
    def _url(self) -> str:
        return self._mesh.endpoints["rest"] + "/v1/chat/completions"

    async def _unary(self, http: httpx.AsyncClient) -> None:
        await self._post(http, self._chat(), 200)

    async def _denied(self, http: httpx.AsyncClient) -> None:
        credential = {"role": "user", "content": f"AKIAQ3EGRZYXN5PMK7VW {next(self._numbers)}"}
        await self._post(http, self._chat(messages=[credential]), 403)

    async def _model(self, http: httpx.AsyncClient) -> None:
        await self._post(http, self._chat(model="smollm2-135m", max_tokens=2), 200)

    async def _stream(self, http: httpx.AsyncClient) -> None:
        body = self._chat(stream=True)
        async with http.stream("POST", self._url, json=body, headers=self._headers) as answer:
            if token := answer.headers.get("x-metaqore-receipt"):
                self._ledger.receipts.append(token)
            done = False
            async for line in answer.aiter_lines():
                done = done or line == "data: [DONE]"
            if done and answer.status_code == httpx.codes.OK:
                self._ledger.answered("rest", token)

    async def _grpc(self) -> None:
        async with grpc.aio.insecure_channel(self._mesh.endpoints["grpc"]) as channel:
            message = gateway.Message(role="user", content=f"task {next(self._numbers)}")
            call = gateway_grpc.TaskServiceStub(channel).SubmitTask(
                gateway.SubmitTaskRequest(model="stub", messages=[message]),
                metadata=tuple(self._headers.items()),
                timeout=DEADLINE_S,
            )
            token = ""
            async for response in call:
                if response.HasField("accepted"):
                    token = response.accepted.receipt_token
                    self._ledger.receipts.append(token)
                if response.HasField("outcome"):
                    self._ledger.answered("grpc", token)

    async def _publish(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._kafka, enable_idempotence=self._idempotent, acks="all", request_timeout_ms=5000
        )
        async with _running(producer):
            while not self._stopping.is_set():
                number = f"{next(self._numbers)}"
                headers = {
                    **self._headers,
                    "ce_specversion": "1.0",
                    "ce_type": "metaqore.task.submitted.v1",
                    "ce_source": SOURCE,
                    "ce_id": number,
                }
                raw = [(name, text.encode()) for name, text in headers.items()]
                value = json.dumps({"prompt": f"task {number}", "model": "stub"}).encode()
                async with asyncio.timeout(DEADLINE_S):
                    await producer.send_and_wait(REQUESTS, value, key=number.encode(), headers=raw)
                self._ledger.on_topic.add(number)
                await asyncio.sleep(PAUSE_S)

    async def _read_results(self) -> None:
        consumer = AIOKafkaConsumer(RESULTS, bootstrap_servers=self._kafka, auto_offset_reset="earliest")
        async with _running(consumer):
            while not self._stopping.is_set():
                for messages in (await consumer.getmany(timeout_ms=500)).values():
                    for message in messages:
                        self._take(json.loads(message.value))

    def _take(self, result: dict[str, Any]) -> None:
        if result["request"]["source"] == SOURCE:
            self._ledger.results[result["request"]["id"]] = result
            if result["task"]:
                self._ledger.acknowledged[result["task"]] = "kafka"
                self._ledger.receipts.append(result["receipt_token"])

    async def read_all_results(self, expected: set[str], within_s: float) -> None:
        """Reads results until every id of `expected` has one, or the time is over."""
        consumer = AIOKafkaConsumer(RESULTS, bootstrap_servers=self._kafka, auto_offset_reset="earliest")
        async with _running(consumer):
            try:
                async with asyncio.timeout(within_s):
                    while not expected <= self._ledger.results.keys():
                        for messages in (await consumer.getmany(timeout_ms=500)).values():
                            for message in messages:
                                self._take(json.loads(message.value))
            except TimeoutError:
                return
