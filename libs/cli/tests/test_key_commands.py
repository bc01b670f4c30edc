"""A key whose secret nobody has seen is no key."""

import json

import pytest

from metaqore.gateway.v1 import gateway_pb2 as gateway
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from unwritable import run_into

KEY = gateway.ApiKey(id="key_new", organization="org_a", caller="ann", scopes=["tasks:submit"])


@pytest.fixture(autouse=True)
def made(mesh):
    mesh.answers["CreateKey"] = gateway.CreateKeyResponse(key=KEY, secret="mq_secret")
    mesh.answers["RevokeKey"] = gateway.RevokeKeyResponse(key=KEY)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("more", [[], ["--json"]])
@pytest.mark.parametrize("into", ["/dev/full", "pipe", "closed"])
def test_a_key_whose_secret_cannot_be_written_is_revoked(mesh, monkeypatch, into, more, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    ended, said = run_into(into, "key", "create", "ann", *more)
    assert ended == 1
    assert mesh.request("RevokeKey").id == KEY.id
    assert said.startswith("secret_not_written: The secret of the key key_new could not be written (")
    assert "so the key was revoked" in said
    assert "mq_secret" not in said
    assert "Exception ignored" not in said


def test_a_key_that_cannot_be_revoked_either_is_named(mesh):
    mesh.answers["RevokeKey"] = MetaQoreError("draining", "The gateway stops.", kind=ErrorKind.UNAVAILABLE)
    ended, said = run_into("/dev/full", "key", "create", "ann")
    assert ended == 1
    assert (
        "The key still holds, for revoking it failed: The gateway stops. Run: metaqore key revoke key_new"
        in " ".join(said.split())
    )


def test_a_key_that_was_shown_stays(mesh, metaqore):
    assert metaqore("key", "create", "ann").out == "mq_secret\n"
    assert json.loads(metaqore("key", "create", "ann", "--json").out)["secret"] == "mq_secret"
    assert mesh.requests("RevokeKey") == []
