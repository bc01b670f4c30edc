"""How a client is told to reach a broker of one's own."""

import pytest

from metaqore_mesh.kafka.connection import client_options
from metaqore_mesh.settings import KafkaSettings


@pytest.mark.parametrize(
    ("given", "protocol"),
    [
        ({}, "PLAINTEXT"),
        ({"tls": True}, "SSL"),
        ({"sasl_username": "mesh"}, "SASL_PLAINTEXT"),
        ({"tls": True, "sasl_username": "mesh"}, "SASL_SSL"),
    ],
)
def test_the_protocol_follows_from_what_is_given(given, protocol):
    options = client_options(KafkaSettings(**given), "me")
    assert options["security_protocol"] == protocol
    assert ("ssl_context" in options) == given.get("tls", False)
    assert ("sasl_mechanism" in options) == ("sasl_username" in given)


def test_the_password_is_in_no_representation():
    settings = KafkaSettings(sasl_username="mesh", sasl_password="planted")
    assert "planted" not in repr(settings)
    assert client_options(settings, "me")["sasl_plain_password"] == "planted"
