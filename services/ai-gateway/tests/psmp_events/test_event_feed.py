"""What happens in projects leaves as CloudEvents, in order, and nothing that is too large holds up the rest."""

from __future__ import annotations

import json

import jsonschema
import pytest
from prometheus_client import REGISTRY

from metaqore_ai_gateway.adapters.psmp.event_feed import MAX_DATA_BYTES, EventFeed, outgoing
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.relayed import Relayed, past_change
from metaqore_governance_core.canonical import canonical_plain
from metaqore_governance_core.contracts.cloudevents import parse_event_headers
from metaqore_governance_core.contracts.psmp import ProjectChanged
from metaqore_governance_core.contracts.schemas import schema_of
from metaqore_governance_core.contracts.topics import PSMP_EVENTS
from metaqore_governance_core.psmp.artifact_events import Rejected
from metaqore_governance_core.psmp.event_codec import encode
from metaqore_mesh.kafka.errors import BrokerUnavailable, RecordTooLarge

ARTIFACT = Ref(Kind.ARTIFACT, "src/app.py")


def relayed(version=1, *, event=None, of=ARTIFACT, command="receipt-1", organization="acme", project="garden"):
    stored = encode(event or Rejected("bob", 5, 1, "no"))
    body = canonical_plain(stored.data)
    return Relayed(organization, project, version, of, 2, stored.name, stored.schema, body, command, 1_700)


class Broker:
    """Takes records; `refuses` tells for each sending which are not taken, and why."""

    def __init__(self, *refuses):
        self.sent, self.refuses = [], list(refuses)

    async def __call__(self, topic, records):
        assert topic == PSMP_EVENTS
        self.sent.append(records)
        refused = self.refuses.pop(0) if self.refuses else {}
        return [refused.get(at) for at in range(len(records))]


def values(records):
    return [json.loads(value) for _, value, _ in records]


def test_an_event_is_a_cloud_event_of_its_project():
    key, value, headers = outgoing(relayed(7))
    attributes = parse_event_headers(headers)
    assert key == b"acme/garden"
    assert (attributes.id, attributes.source, attributes.type) == (
        "garden@7",
        "/metaqore/ai-gateway/psmp/acme",
        ProjectChanged.ce_type,
    )
    assert attributes.subject == artifact_id("acme", "garden", "src/app.py")
    told = json.loads(value)
    jsonschema.validate(told, schema_of(ProjectChanged))
    changed = ProjectChanged.model_validate(told)
    assert (changed.version, changed.revision, changed.name) == (7, 2, "artifact.Rejected")
    assert changed.data == {"at_us": 5, "by": "bob", "version": 1, "why": "no"}
    assert (changed.by, changed.receipt, changed.time_us) == ("bob", "receipt-1", 1_700)


def test_what_time_caused_has_no_receipt():
    assert json.loads(outgoing(relayed(command="system:1"))[1])["receipt"] is None


def test_a_source_is_an_address_whatever_the_organization_is_called():
    assert parse_event_headers(outgoing(relayed(organization="a b/ü"))[2]).source.endswith("/a%20b%2F%C3%BC")


def test_the_past_tells_the_same_as_the_feed():
    event = relayed(3)
    assert json.loads(json.dumps(past_change(event.past()))) == json.loads(outgoing(event)[1])


async def test_what_the_broker_does_not_take_comes_again():
    broker = Broker({1: BrokerUnavailable("away")})
    with pytest.raises(BrokerUnavailable):
        await EventFeed(broker)([relayed(1), relayed(2)])
    await EventFeed(broker)([relayed(1), relayed(2)])
    assert [value["version"] for value in values(broker.sent[1])] == [1, 2]


@pytest.mark.parametrize("size_bytes", [MAX_DATA_BYTES, 100])
async def test_an_event_that_is_too_large_goes_without_its_data(size_bytes):
    large = relayed(2, event=Rejected("bob", 5, 1, "n" * size_bytes))
    broker = Broker({1: RecordTooLarge("too large")} if size_bytes == 100 else {})
    before = REGISTRY.get_sample_value("metaqore_psmp_feed_cut_total")
    await EventFeed(broker)([relayed(1), large, relayed(3)])
    cut = values(broker.sent[-1])[0 if size_bytes == 100 else 1]
    assert (cut["version"], cut["data"], cut["by"]) == (2, {}, "bob")
    assert REGISTRY.get_sample_value("metaqore_psmp_feed_cut_total") == before + 1


async def test_what_no_broker_takes_even_without_data_is_not_passed_over():
    broker = Broker({0: RecordTooLarge("")}, {0: RecordTooLarge("")})
    with pytest.raises(RecordTooLarge):
        await EventFeed(broker)([relayed(1)])


async def test_nothing_is_sent_where_nothing_happened():
    broker = Broker()
    await EventFeed(broker)([])
    assert broker.sent == []
