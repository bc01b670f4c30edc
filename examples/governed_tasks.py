"""Sends the sample tasks through every door of a mesh of its own, then verifies every receipt offline.

`make run` starts it. It uses only what an outside user has: the `metaqore` command, the `openai` client, the gRPC
stubs and a Kafka client.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import openai
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from metaqore.gateway.v1 import gateway_pb2 as gateway
from metaqore.gateway.v1 import gateway_pb2_grpc as gateway_grpc
from own_mesh import METAQORE, own_mesh

TASKS = Path(__file__).with_name("tasks.yaml")
MAX_TOKENS = 48
RESULT_DEADLINE_S = 60.0

screen = Console(width=max(Console().width, 132))


@dataclass
class Shown:
    """What a person sees of one task."""

    title: str
    door: str
    prompt: str
    answer: str = ""
    receipt: str = ""
    seconds: float = 0.0
    error: str = ""
    task: dict[str, Any] = field(default_factory=dict)


def metaqore(*arguments: str) -> str:
    """What the `metaqore` command prints."""
    done = subprocess.run([METAQORE, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"metaqore {' '.join(arguments)} failed:\n{done.stderr or done.stdout}")
    return done.stdout


def through_rest(status: dict[str, Any], key: str, sample: dict[str, Any], shown: Shown) -> None:
    """An ordinary OpenAI client, pointed at the gateway."""
    client = openai.OpenAI(base_url=status["endpoints"]["rest"] + "/v1", api_key=key, max_retries=0)
    messages: Any = [{"role": "user", "content": sample["prompt"]}]
    asked: dict[str, Any] = {"model": "smollm2-135m", "messages": messages, "max_tokens": MAX_TOKENS}
    try:
        if sample.get("stream"):
            raw = client.chat.completions.with_raw_response.create(**asked, stream=True)
            shown.receipt = raw.headers["x-metaqore-receipt-id"]
            screen.print("   [dim]streamed:[/] ", end="")
            for chunk in raw.parse():
                text = (chunk.choices[0].delta.content or "") if chunk.choices else ""
                shown.answer += text
                screen.print(text, end="", markup=False, highlight=False)
            screen.print()
        else:
            raw = client.chat.completions.with_raw_response.create(**asked)
            shown.receipt = raw.headers["x-metaqore-receipt-id"]
            shown.answer = raw.parse().choices[0].message.content or ""
    except openai.APIStatusError as error:
        shown.error = error.message
        shown.receipt = error.response.headers.get("x-metaqore-receipt-id", "")


def through_grpc(status: dict[str, Any], key: str, sample: dict[str, Any], shown: Shown) -> None:
    """The generated stubs."""
    sensitivity = gateway.Sensitivity.Value(f"SENSITIVITY_{sample.get('sensitivity', 'UNSPECIFIED')}")
    messages = [gateway.Message(role="user", content=sample["prompt"])]
    request = gateway.SubmitTaskRequest(messages=messages, sensitivity=sensitivity, max_tokens=MAX_TOKENS)
    with grpc.insecure_channel(status["endpoints"]["grpc"]) as channel:
        stub = gateway_grpc.TaskServiceStub(channel)
        for response in stub.SubmitTask(request, metadata=[("authorization", f"Bearer {key}")], timeout=120):
            shown.receipt = shown.receipt or response.accepted.receipt_id
            shown.answer += response.piece.text


def through_kafka(status: dict[str, Any], key: str, samples: list[dict[str, Any]], shown: list[Shown]) -> None:
    """Tasks published on the topic; their results come back on another."""
    asyncio.run(_publish_and_read(status["endpoints"]["kafka"], key, samples, shown))


async def _publish_and_read(bootstrap: str, key: str, samples: list[dict[str, Any]], shown: list[Shown]) -> None:
    # no group: joining one takes the embedded broker some seconds
    results = AIOKafkaConsumer("metaqore.task.results.v1", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    async with results, producer:
        for number, sample in enumerate(samples):
            headers = {
                "authorization": f"Bearer {key}",
                "ce_specversion": "1.0",
                "ce_id": f"sample-{number}",
                "ce_source": "examples",
                "ce_type": "metaqore.task.submitted.v1",
            }
            await producer.send_and_wait(
                "metaqore.task.requests.v1",
                json.dumps({"prompt": sample["prompt"], "max_tokens": MAX_TOKENS}).encode(),
                key=b"examples",
                headers=[(name, value.encode()) for name, value in headers.items()],
            )
        missing = set(range(len(samples)))
        async with asyncio.timeout(RESULT_DEADLINE_S):
            async for message in results:
                result = json.loads(message.value)
                number = int(result["request"]["id"].removeprefix("sample-"))
                shown[number].receipt = result["receipt"] or ""
                shown[number].answer = result["answer"] or ""
                shown[number].error = (result["error"] or {}).get("message", "")
                missing.discard(number)
                if not missing:
                    return


def send_all(status: dict[str, Any], key: str) -> list[Shown]:
    """Every sample through its door."""
    samples = yaml.safe_load(TASKS.read_text())
    shown = [Shown(sample["title"], sample["door"], sample["prompt"]) for sample in samples]
    direct: dict[str, Callable[..., None]] = {"rest": through_rest, "grpc": through_grpc}
    for sample, row in zip(samples, shown, strict=True):
        if send := direct.get(row.door):
            screen.print(f" [cyan]{row.door:>5}[/]  {row.title}: [italic]{row.prompt}[/]", highlight=False)
            started = time.monotonic()
            send(status, key, sample, row)
            row.seconds = time.monotonic() - started
            _print_answer(row, streamed=bool(sample.get("stream")))
    on_topic = [number for number, row in enumerate(shown) if row.door == "kafka"]
    for number in on_topic:
        screen.print(f" [cyan]kafka[/]  {shown[number].title}: [italic]{shown[number].prompt}[/]", highlight=False)
    with screen.status("waiting for the results on the topic metaqore.task.results.v1 ..."):
        through_kafka(status, key, [samples[number] for number in on_topic], [shown[number] for number in on_topic])
    for number in on_topic:
        _print_answer(shown[number])
    return shown


def _print_answer(row: Shown, *, streamed: bool = False) -> None:
    if row.error:
        screen.print(f"   [red]refused:[/] {escape(row.error)}", highlight=False)
    elif not streamed:
        screen.print(f"   [dim]answer:[/] {escape(row.answer.strip())}", highlight=False)


def show(rows: list[Shown]) -> None:
    """The table: what the mesh decided about each task, and how it ended."""
    tasks = {task["receipt"]: task for task in json.loads(metaqore("task", "list", "--json", "--limit", "100"))}
    table = Table(
        "task", "door", "sensitivity and why", "decision", "model", "tokens", "seconds", "receipt", header_style="bold"
    )
    for column in table.columns:
        column.overflow = "fold"  # a reason is told whole
    table.columns[-1].no_wrap = True
    for row in rows:
        task = tasks.get(row.receipt, {})
        why = ", ".join(task.get("sensitivity_sources", [])) or "nothing found, no label"
        denied = task.get("verdict") != "permit"
        table.add_row(
            row.title,
            row.door,
            f"{task.get('sensitivity', '?')}\n({why})",
            f"[red]denied: {', '.join(task.get('reasons', []))}[/]" if denied else "[green]permitted[/]",
            "-" if denied else f"{task['model']} at {task['provider']}",
            "-" if denied else f"{task['prompt_tokens']} + {task['completion_tokens']}",
            f"{(task.get('duration_us') or 0) / 1e6:.2f}",
            row.receipt,
        )
    screen.print(table)


def verify(rows: list[Shown]) -> int:
    """Fetches the proof of every receipt into a file, then verifies the files with the pinned public key alone."""
    run_dir = Path(os.environ["METAQORE_RUN_DIR"])
    proofs = run_dir / "proofs"
    receipts = [row.receipt for row in rows]
    metaqore("audit", "proof", *receipts, "--out", str(proofs))
    files = [str(proofs / f"{receipt}.proof.json") for receipt in receipts]
    checked = json.loads(metaqore("audit", "verify", *files, "--key", str(run_dir / "public" / "log.pub"), "--json"))
    return int(checked["verified"])


def main() -> None:
    """The whole tour."""
    with own_mesh(screen):
        status = json.loads(metaqore("status", "--json"))
        key = Path(status["api_key_file"]).read_text().strip()
        screen.rule("[bold]sample tasks[/], each through its door")
        rows = send_all(status, key)
        screen.rule("[bold]what the mesh decided, ran and recorded[/]")
        with screen.status("waiting until the log has sealed every record ..."):
            show(rows)
            verified = verify(rows)
        screen.print(
            f"[bold green]verified[/] {verified} of {len(rows)} receipts offline: each decision and outcome is"
        )
        screen.print("in the organization's Merkle log, under a checkpoint signed by the pinned key.\n")
        if verified != len(rows):
            sys.exit(1)
    screen.print("Try next:  .venv/bin/metaqore up            keep a mesh running (REST on port 8001)")
    screen.print('           .venv/bin/metaqore task submit "What is a Merkle tree?" --stream')
    screen.print("           .venv/bin/metaqore audit verify --all")
    screen.print("           README.md                        every door, with examples")


if __name__ == "__main__":
    main()
