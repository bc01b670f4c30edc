"""Bodies of artifacts: sealed texts in a store of objects, a directory or S3."""

from metaqore_mesh.objects.bodies import Bodies
from metaqore_mesh.objects.body import Body
from metaqore_mesh.objects.body_keys import BodyKeys, make_body_keys
from metaqore_mesh.objects.directory import DirectoryObjects
from metaqore_mesh.objects.errors import (
    BodyDamaged,
    BodyKeyRefused,
    BodyTooLarge,
    ObjectMissing,
    ObjectNameInvalid,
    ObjectStoreDenied,
    ObjectStoreFull,
    ObjectStoreMisconfigured,
    ObjectStoreUnavailable,
    ObjectTooLarge,
)
from metaqore_mesh.objects.kept import KeptBodies
from metaqore_mesh.objects.orphans import ORPHAN_AGE_S, collect_orphans
from metaqore_mesh.objects.port import ObjectStore, StoredObject
from metaqore_mesh.objects.s3 import Bucket, S3Objects
from metaqore_mesh.objects.settings import ObjectSettings, open_objects

__all__ = [
    "ORPHAN_AGE_S",
    "Bodies",
    "Body",
    "BodyDamaged",
    "BodyKeyRefused",
    "BodyKeys",
    "BodyTooLarge",
    "Bucket",
    "DirectoryObjects",
    "KeptBodies",
    "ObjectMissing",
    "ObjectNameInvalid",
    "ObjectSettings",
    "ObjectStore",
    "ObjectStoreDenied",
    "ObjectStoreFull",
    "ObjectStoreMisconfigured",
    "ObjectStoreUnavailable",
    "ObjectTooLarge",
    "S3Objects",
    "StoredObject",
    "collect_orphans",
    "make_body_keys",
    "open_objects",
]
