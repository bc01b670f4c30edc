"""Puts bodies in a child process that is killed at random points, round after round. Run by `test_crash.py`.

`put_until_killed.py DIRECTORY ROUNDS SEED [ENDPOINT]`: objects go to DIRECTORY/store, or to the S3 at ENDPOINT with
the key id and secret of the environment. Each body whose put returned is a line of DIRECTORY/returned, written at
once, which outlives the process. Beside the bodies, `plain/` gets objects that begin with their own SHA-256.
"""

import asyncio
import hashlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from metaqore_mesh.keys import DigestKeys
from metaqore_mesh.objects import Bodies, BodyKeys, Bucket, DirectoryObjects, S3Objects

LIMIT = 4_000_000
ROOT, DIGEST_ROOT = b"r" * 32, b"d" * 32
PUTTERS = 6
SIZES = (0, 10, 5_000, 300_000, 1_500_000, 3_000_000)


class NothingKept:
    async def find(self, organization, text):  # noqa: ARG002 - the port's signature
        return None

    async def living(self, names):  # noqa: ARG002 - see above
        return set()


async def store(directory, endpoint):
    if endpoint is None:
        return await DirectoryObjects.open(directory / "store", limit_bytes=LIMIT)
    account = {"access_key_id": os.environ["S3_KEY_ID"], "secret_access_key": os.environ["S3_SECRET"]}
    bucket = Bucket("bodies", endpoint, "us-east-1", timeout_s=20.0, **account)
    return S3Objects(bucket, limit_bytes=LIMIT, scratch=directory)


async def chunks(content):
    for at in range(0, len(content), 100_000):
        yield content[at : at + 100_000]
        await asyncio.sleep(0)


async def child(directory, endpoint, round_, chance):
    objects = await store(directory, endpoint)
    bodies = Bodies(objects, BodyKeys(ROOT), DigestKeys(DIGEST_ROOT), NothingKept(), limit_bytes=LIMIT)
    returned = os.open(directory / "returned", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def putter(number):
        while True:
            text = chance.randbytes(chance.choice(SIZES))
            body = await bodies.put("org_a", chunks(text))
            line = {
                "name": body.name,
                "digest": body.text.digest,
                "key_id": body.text.key_id,
                "size_bytes": body.text.size_bytes,
                "wrapped_key": body.wrapped_key.hex(),
                "sha256": hashlib.sha256(text).hexdigest(),
            }
            os.write(returned, json.dumps(line).encode() + b"\n")
            await objects.put(f"plain/{round_}-{number}", chunks(hashlib.sha256(text).digest() + text))

    await asyncio.gather(*map(putter, range(PUTTERS)))


def main():
    """Fork, wait a little, kill; a child that ends by itself is a failure."""
    directory, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    endpoint = sys.argv[4] if len(sys.argv) > 4 else None
    chance = random.Random(seed)  # noqa: S311 - the same rounds for the same seed
    for round_ in range(rounds):
        pid = os.fork()
        if pid == 0:
            try:
                asyncio.run(child(directory, endpoint, round_, random.Random(seed + round_)))  # noqa: S311 - see above
            finally:
                os._exit(3)
        time.sleep(chance.uniform(0.05, 0.4))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
