"""The models that a caller may use."""

from __future__ import annotations


def as_caller(key):
    return {"authorization": f"Bearer {key}"}


async def test_a_caller_sees_the_models_that_it_may_use(gateway):
    listed = (await gateway.client.get("/v1/models", headers=as_caller("key-alice"))).json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["m", "org/other"]
    assert listed["data"][0] == {"id": "m", "object": "model", "created": 0, "owned_by": "local"}
    listed = (await gateway.client.get("/v1/models", headers=as_caller("key-intern"))).json()
    assert [model["id"] for model in listed["data"]] == ["org/other"]


async def test_one_model_by_its_id_though_it_has_a_slash(gateway):
    for path in ("/v1/models/org/other", "/v1/models/org%2Fother"):
        assert (await gateway.client.get(path, headers=as_caller("key-alice"))).json()["id"] == "org/other"


async def test_a_model_that_a_caller_may_not_use_is_none(gateway):
    response = await gateway.client.get("/v1/models/m", headers=as_caller("key-intern"))
    assert response.status_code == 404
