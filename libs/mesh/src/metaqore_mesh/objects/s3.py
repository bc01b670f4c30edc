"""Objects in a bucket of any S3-compatible store."""

from __future__ import annotations

import errno
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

from obstore.exceptions import BaseError, GenericError
from obstore.store import S3Store

from metaqore_mesh.objects.errors import (
    ObjectMissing,
    ObjectStoreDenied,
    ObjectStoreFull,
    ObjectStoreMisconfigured,
    ObjectStoreUnavailable,
    ObjectTooLarge,
)
from metaqore_mesh.objects.names import checked_name, checked_prefix
from metaqore_mesh.objects.pieces import pieces
from metaqore_mesh.objects.port import StoredObject
from metaqore_mesh.objects.scratch import gathered

MOST_BYTES = 5 << 30
"""What S3 takes in one request."""

_CHUNK_BYTES = 256 << 10
_LISTED_AT_ONCE = 500
_STATUS = re.compile(r"status code: (\d{3})\b")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where a bucket is, and who asks."""

    name: str
    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    #: For how long one request may go on, and how often it is sent again where the store did not answer.
    timeout_s: float = 300.0
    retries: int = 3


class S3Objects:
    """An `ObjectStore` in a bucket.

    A put gathers its stream first (see `scratch`) and sends it as one request, which S3 does whole or not at all.
    There is no multipart upload, whose parts a crash would leave in the bucket where no list shows them.
    """

    def __init__(self, bucket: Bucket, *, limit_bytes: int, scratch: Path | None = None) -> None:
        if limit_bytes > MOST_BYTES:
            raise ObjectStoreMisconfigured(f"S3 takes at most {MOST_BYTES} bytes at once. Lower the limit of objects.")
        self._bucket = bucket
        self._limit_bytes = limit_bytes
        self._scratch = scratch
        self._store = S3Store(
            bucket.name,
            endpoint=bucket.endpoint,
            region=bucket.region,
            access_key_id=bucket.access_key_id,
            secret_access_key=bucket.secret_access_key,
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": bucket.endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=5),
                "timeout": timedelta(seconds=bucket.timeout_s),
            },
            retry_config={"max_retries": bucket.retries, "retry_timeout": timedelta(seconds=bucket.timeout_s)},
        )

    async def put(self, name: str, chunks: AsyncIterable[bytes]) -> int:
        """Gather, then send."""
        path = checked_name(name)
        parts = pieces(chunks, limit_bytes=self._limit_bytes, refusal=ObjectTooLarge(self._limit_bytes))
        try:
            body = await gathered(parts, self._scratch)
        except OSError as error:
            raise _scratch_failed(error) from error
        with self._typed_errors():
            try:
                await self._store.put_async(path, body, use_multipart=False)
            except FileNotFoundError as error:
                raise self._no_bucket() from error
        return len(body)

    async def get(self, name: str, offset: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """One request; what comes is read as it is asked for."""
        path = checked_name(name)
        with self._typed_errors():
            try:
                if offset or length is not None:
                    # S3 answers an empty range, and one behind the end, with an error of no kind of its own.
                    size_bytes = (await self._store.head_async(path))["size"]
                    end = size_bytes if length is None else min(size_bytes, offset + length)
                    if offset >= end:
                        return
                    result = await self._store.get_async(path, options={"range": (offset, end)})
                else:
                    result = await self._store.get_async(path)
            except FileNotFoundError as error:
                raise ObjectMissing(name) from error
        stream = result.stream(min_chunk_size=_CHUNK_BYTES)
        while True:
            with self._typed_errors():
                try:
                    chunk = bytes(await anext(stream))
                except StopAsyncIteration:
                    return
            yield chunk

    async def size(self, name: str) -> int | None:
        """One request."""
        path = checked_name(name)
        with self._typed_errors():
            try:
                return (await self._store.head_async(path))["size"]
            except FileNotFoundError:
                return None

    async def delete(self, name: str) -> None:
        """One request; S3 answers the same where there was nothing."""
        path = checked_name(name)
        with self._typed_errors():
            try:
                await self._store.delete_async(path)
            except FileNotFoundError as error:
                raise self._no_bucket() from error

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        """A request for each thousand."""
        batches = self._store.list(checked_prefix(prefix) or None, chunk_size=_LISTED_AT_ONCE)
        while True:
            with self._typed_errors():
                try:
                    batch = await anext(batches)
                except StopAsyncIteration:
                    return
                except GenericError as error:
                    if _status(error) == HTTPStatus.NOT_FOUND:
                        raise self._no_bucket() from error
                    raise
            for stored in batch:
                yield StoredObject(stored["path"], stored["size"], stored["last_modified"].timestamp())

    async def sweep(self, older_than_s: float) -> int:  # noqa: ARG002 - the port's signature
        """Nothing: a request that a crash cut off left nothing in the bucket."""
        return 0

    def _no_bucket(self) -> ObjectStoreMisconfigured:
        return ObjectStoreMisconfigured(
            f"There is no bucket {self._bucket.name} at {self._bucket.endpoint}. Make it, or name another one."
        )

    @contextmanager
    def _typed_errors(self) -> Iterator[None]:
        """Errors of the client as those of the port: their own text holds addresses, headers and the request."""
        try:
            yield
        except (BaseError, OSError) as error:
            if _status(error) in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise ObjectStoreDenied(f"bucket {self._bucket.name}") from error
            raise ObjectStoreUnavailable(_summary(error)) from error


def _status(error: Exception) -> int | None:
    """What the server answered: the client has kinds for some statuses only, and for none where it lists."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None


def _summary(error: Exception) -> str:
    """What a person needs of the client's error: its first line up to the answer's body."""
    first = str(error).split("\n", 1)[0].split(": <?xml", 1)[0]
    return first[:200] or type(error).__name__


def _scratch_failed(error: OSError) -> ObjectStoreFull | ObjectStoreUnavailable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ObjectStoreFull()
    return ObjectStoreUnavailable(f"the scratch file: {error.strerror}")
