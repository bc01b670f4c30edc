"""S3 servers of the tests' own, each tied to the test process and listening on ports that were free."""

from __future__ import annotations

import json
import lzma
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from metaqore_mesh.embedded.tied import tied
from metaqore_mesh.objects import Bucket, S3Objects
from metaqore_mesh.ports import free_ports

from .streams import stream

BUCKET = "bodies"
KEY_ID = "test-key-id"
SECRET = "test-" + secrets.token_hex(16)
WEED = Path(sys.executable).parent / "weed"
MINIO = Path(__file__).parents[5] / "shared" / "vendor" / "bin" / "minio.xz"
_START_TIMEOUT_S = 60.0


def bucket(endpoint, **changes):
    known = {"name": BUCKET, "endpoint": endpoint, "region": "us-east-1", "access_key_id": KEY_ID}
    return Bucket(**{**known, "secret_access_key": SECRET, "timeout_s": 20.0, **changes})


@contextmanager
def seaweedfs(directory):
    """SeaweedFS from its wheel, which makes a bucket at the first put."""
    s3, s3_grpc, master, master_grpc, volume, volume_grpc, filer, filer_grpc = free_ports(8)
    credentials = [{"accessKey": KEY_ID, "secretKey": SECRET}]
    actions = ["Admin", "Read", "Write", "List"]
    config = directory / "s3.json"
    config.write_text(json.dumps({"identities": [{"name": "t", "credentials": credentials, "actions": actions}]}))
    command = [
        *(str(WEED), f"-logdir={directory}", "server", f"-dir={directory}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *(f"-master.port={master}", f"-master.port.grpc={master_grpc}", "-master.telemetry=false"),
        *(f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}", "-volume.max=100"),
        *("-master.volumeSizeLimitMB=64", "-filer", f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}"),
        *("-s3", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}", f"-s3.config={config}", "-s3.iam=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=true"),
    ]
    with _running(command, directory, s3):
        yield f"http://127.0.0.1:{s3}"


@contextmanager
def minio(directory):
    """The MinIO that lies beside the checkout; a directory of its drive is a bucket."""
    program = directory / "minio"
    with lzma.open(MINIO) as packed, program.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    program.chmod(0o700)
    (directory / "drive" / BUCKET).mkdir(parents=True)
    port, console = free_ports(2)
    addresses = ("--address", f"127.0.0.1:{port}", "--console-address", f"127.0.0.1:{console}")
    account = {"MINIO_ROOT_USER": KEY_ID, "MINIO_ROOT_PASSWORD": SECRET}
    with _running([str(program), "server", str(directory / "drive"), *addresses], directory, port, **account):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command, directory, port, **environment):
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            tied(command, death_signal=signal.SIGKILL), stdout=output, stderr=output, env=os.environ | environment
        )
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


def _listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def ready(endpoint):
    """The endpoint, once its store takes objects; ports are open some seconds before."""
    objects = S3Objects(bucket(endpoint, retries=0), limit_bytes=100)
    deadline = time.monotonic() + 60
    while True:
        try:
            await objects.put("ready", stream(b"x"))
        except Exception:
            if time.monotonic() > deadline:
                raise
        else:
            return endpoint
