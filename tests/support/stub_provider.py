"""An OpenAI-compatible provider for tests: answers at once, and notes which task each request belonged to.

`python stub_provider.py PORT_FILE EFFECTS_FILE` serves until it is killed; each effect is one line in EFFECTS_FILE,
written before the answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

CHUNKS = 5
CHUNK_EVERY_S = 0.02


class Provider:
    """One HTTP/1.1 connection after another, one request after another."""

    def __init__(self, effects: int) -> None:
        self._effects = effects

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers requests on a connection until it closes."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
                body = json.loads(await reader.readexactly(int(headers[b"content-length"])))
                task = headers.get(b"x-metaqore-task-id", b"unknown").decode()
                os.write(self._effects, f"{task}\n".encode())
                await (self._stream(writer) if body.get("stream") else self._whole(writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _whole(self, writer: asyncio.StreamWriter) -> None:
        message = {"role": "assistant", "content": "done"}
        answer = {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "stub",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        raw = json.dumps(answer).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
        writer.write(head.encode() + raw)
        await writer.drain()

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(CHUNKS):
            last = number == CHUNKS - 1
            choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": "stop" if last else None}
            chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "stub", "choices": [choice]}
            self._frame(writer, json.dumps(chunk))
            await writer.drain()
            await asyncio.sleep(CHUNK_EVERY_S)
        usage = {"prompt_tokens": 1, "completion_tokens": CHUNKS, "total_tokens": CHUNKS + 1}
        self._frame(writer, json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage}))
        self._frame(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    @staticmethod
    def _frame(writer: asyncio.StreamWriter, data: str) -> None:
        frame = f"data: {data}\n\n".encode()
        writer.write(f"{len(frame):x}\r\n".encode() + frame + b"\r\n")


async def main(listening: socket.socket, effects_file: str) -> None:
    """Serves on `listening` until it is killed."""
    effects = os.open(effects_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    async with await asyncio.start_server(Provider(effects).serve, sock=listening) as server:
        await server.serve_forever()


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as opened:
        Path(sys.argv[1]).write_text(str(opened.getsockname()[1]))
        asyncio.run(main(opened, sys.argv[2]))
