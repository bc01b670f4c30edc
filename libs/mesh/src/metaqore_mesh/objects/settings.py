"""Which store of objects a service opens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from metaqore_mesh.objects.bodies import MOST_INLINE_BYTES
from metaqore_mesh.objects.directory import DirectoryObjects
from metaqore_mesh.objects.errors import ObjectStoreMisconfigured
from metaqore_mesh.objects.port import ObjectStore
from metaqore_mesh.objects.s3 import MOST_BYTES, Bucket, S3Objects
from metaqore_mesh.settings import SettingsGroup


class ObjectSettings(SettingsGroup):
    """A directory (embedded), or a bucket of an S3-compatible store."""

    store: Literal["directory", "s3"] = "directory"
    #: The most bytes of one object; a body needs some more than its text has.
    limit_bytes: int = Field(default=256 << 20, ge=1, le=MOST_BYTES)

    #: Texts up to this size are kept in the database, sealed like the others, in the row that has their key: one write
    #: instead of two, and no object. 0: every text is an object.
    inline_bytes: int = Field(default=16 << 10, ge=0, le=MOST_INLINE_BYTES)

    #: Where the objects lie; None: in the run directory.
    directory: Path | None = None

    endpoint: str = ""
    bucket: str = ""
    region: str = "us-east-1"
    access_key_id: str = Field(default="", repr=False)
    #: The variable that holds the secret access key, so that no file of settings does.
    secret_access_key_env: str = "METAQORE_OBJECTS_SECRET_ACCESS_KEY"  # noqa: S105 - a variable's name
    #: Where objects of more than a mebibyte wait until they are sent; None: the machine's own place for such files.
    scratch: Path | None = None


async def open_objects(settings: ObjectSettings, *, directory: Path, environ: Mapping[str, str]) -> ObjectStore:
    """The store that `settings` name; `directory` is the embedded one's place where they name none.

    Raises `ObjectStoreMisconfigured`. A bucket is not asked here: a store that is down must not keep a service down.
    """
    if settings.store == "directory":
        return await DirectoryObjects.open(settings.directory or directory, limit_bytes=settings.limit_bytes)
    return S3Objects(_bucket(settings, environ), limit_bytes=settings.limit_bytes, scratch=settings.scratch)


def _bucket(settings: ObjectSettings, environ: Mapping[str, str]) -> Bucket:
    missing = [name for name in ("endpoint", "bucket", "access_key_id") if not getattr(settings, name)]
    if missing:
        raise ObjectStoreMisconfigured(f"Objects in S3 need these settings too: {', '.join(missing)}.")
    if not settings.endpoint.startswith(("http://", "https://")):
        raise ObjectStoreMisconfigured("The endpoint of S3 begins with http:// or https://.")
    secret = environ.get(settings.secret_access_key_env, "").strip()
    if not secret:
        raise ObjectStoreMisconfigured(
            f"The variable {settings.secret_access_key_env} is not set; put the secret access key of S3 there."
        )
    return Bucket(settings.bucket, settings.endpoint, settings.region, settings.access_key_id, secret)
