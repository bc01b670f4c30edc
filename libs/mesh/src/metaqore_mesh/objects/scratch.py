"""A stream gathered where it can be sent as one: in memory while it is small, then in a file without a name."""

from __future__ import annotations

import asyncio
import mmap
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO


async def gathered(pieces: AsyncIterator[bytes], scratch: Path | None) -> bytes | mmap.mmap:
    """All of `pieces`, which are never none; more than one lie in a file in `scratch` (None: the machine's own).

    The file has no name, so that nothing of it outlives the process, and is mapped, so that it takes no memory that
    the kernel could not take back. The mapping ends with the last reference to it. Raises `OSError`.
    """
    first = await anext(pieces)
    file: BinaryIO | None = None
    try:
        async for piece in pieces:
            if file is None:
                file = await asyncio.to_thread(_begun, first, scratch)
            await asyncio.to_thread(file.write, piece)
        return first if file is None else await asyncio.to_thread(_mapped, file)
    finally:
        if file is not None:
            file.close()


def _begun(first: bytes, scratch: Path | None) -> BinaryIO:
    file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - it lives on in the caller, who closes it
    file.write(first)
    return file


def _mapped(file: BinaryIO) -> mmap.mmap:
    file.flush()
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
