"""Settings name a store, or say what they lack."""

import pytest
from pydantic import ValidationError

from metaqore_mesh.objects import (
    DirectoryObjects,
    ObjectSettings,
    ObjectStoreMisconfigured,
    S3Objects,
    open_objects,
)

from .streams import joined, stream

S3 = {"store": "s3", "endpoint": "https://s3.example", "bucket": "b", "access_key_id": "key-of-tests"}
SECRET = {"METAQORE_OBJECTS_SECRET_ACCESS_KEY": "secret-of-tests"}


async def test_a_directory_is_the_default(tmp_path):
    objects = await open_objects(ObjectSettings(), directory=tmp_path / "objects", environ={})
    assert isinstance(objects, DirectoryObjects)
    await objects.put("a", stream(b"x"))
    assert await joined(objects.get("a")) == b"x"
    assert (tmp_path / "objects").is_dir()


async def test_a_directory_may_be_named(tmp_path):
    await open_objects(ObjectSettings(directory=tmp_path / "named"), directory=tmp_path / "other", environ={})
    assert (tmp_path / "named").is_dir()
    assert not (tmp_path / "other").exists()


async def test_s3_is_opened_without_asking_it(tmp_path):
    objects = await open_objects(ObjectSettings(**S3), directory=tmp_path, environ=SECRET)
    assert isinstance(objects, S3Objects)
    assert "secret-of-tests" not in repr(vars(objects))


@pytest.mark.parametrize(
    ("changes", "environ", "said"),
    [
        ({"bucket": ""}, SECRET, "bucket"),
        ({"endpoint": "", "access_key_id": ""}, SECRET, "endpoint, access_key_id"),
        ({"endpoint": "s3.example"}, SECRET, "https://"),
        ({}, {}, "METAQORE_OBJECTS_SECRET_ACCESS_KEY is not set"),
        ({"secret_access_key_env": "OURS"}, SECRET, "OURS is not set"),
    ],
)
async def test_what_s3_lacks_is_said(tmp_path, changes, environ, said):
    with pytest.raises(ObjectStoreMisconfigured, match=said) as refused:
        await open_objects(ObjectSettings(**{**S3, **changes}), directory=tmp_path, environ=environ)
    assert refused.value.code == "object_store_misconfigured"


def test_credentials_stay_out_of_repr_and_typing_errors_are_found():
    assert "key-of-tests" not in repr(ObjectSettings(**S3))
    with pytest.raises(ValidationError):
        ObjectSettings(buckett="b")
