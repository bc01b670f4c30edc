import pytest
from written_records import command

from metaqore_ai_gateway.adapters.lifecycle_events import lifecycle_events
from metaqore_ai_gateway.adapters.lifecycle_feed import LifecycleFeed
from metaqore_governance_core.contracts.tasks import TaskFinished, TaskStarted
from metaqore_governance_core.contracts.topics import TASK_LIFECYCLE
from metaqore_governance_core.records import Commitment, DecisionRecord, OutcomeRecord, Personal
from metaqore_mesh.kafka.errors import BrokerUnavailable
from metaqore_mesh.spool.groups import StoredGroup
from metaqore_mesh.spool.record_codec import encode_record

DECISION = DecisionRecord(
    caller="key_1",
    door="rest",
    findings={"email": 1},
    model="m",
    organization="org_1",
    organization_sequence=1,
    personal=Personal("alice"),
    policy="default_local_first",
    policy_version="v1",
    project=None,
    prompt=Commitment("aa", "k", 3),
    reasons=("allowpath_allowed",),
    receipt="r",
    sensitivity="SENSITIVE",
    sensitivity_sources=("scanner:email",),
    sequence=1,
    task="t1",
    time_us=1_000,
    verdict="permit",
    writer="w",
)
OUTCOME = OutcomeRecord(
    answer=Commitment("bb", "k", 3),
    attempts=1,
    completion_tokens=None,
    decision="aa",
    duration_us=7,
    error="provider_failed",
    finish_reason=None,
    locality="local",
    model="m",
    organization="org_1",
    organization_sequence=2,
    prompt_tokens=3,
    provider="local",
    receipt="r",
    sequence=2,
    state="failed",
    task="t1",
    time_us=2_000,
    writer="w",
)
VALUE = b'{"records":[%b,%b]}' % (encode_record(DECISION), encode_record(OUTCOME))
GROUP = StoredGroup(1, 2, VALUE)


class Broker:
    def __init__(self):
        self.sent, self.failing = [], {}

    async def publish_all(self, topic, records):
        assert topic == TASK_LIFECYCLE
        self.sent += records
        return [self.failing.get(index) for index in range(len(records))]


def test_each_record_is_an_event_as_the_contract_says():
    (key, started, started_headers), (_, finished, finished_headers) = lifecycle_events(VALUE)
    assert key == b"t1"
    assert TaskStarted.model_validate_json(started).sensitivity == "SENSITIVE"
    assert TaskFinished.model_validate_json(finished).error == "provider_failed"
    assert dict(started_headers)["ce_type"] == TaskStarted.ce_type.encode()
    assert dict(finished_headers)["ce_id"] == b"t1/finished"


def test_a_command_is_no_event_of_a_task():
    value = b'{"records":[%b,%b,%b]}' % tuple(map(encode_record, (command(1), DECISION, command(2))))
    assert [dict(headers)["ce_id"] for *_, headers in lifecycle_events(value)] == [b"t1/started"]


def test_events_hold_no_name_and_no_digest():
    assert not any(word in value for _, value, _ in lifecycle_events(VALUE) for word in (b"alice", b'"aa"', b'"bb"'))


async def test_events_are_sent_in_order():
    broker = Broker()
    await LifecycleFeed(broker.publish_all)([GROUP, GROUP])
    assert [dict(headers)["ce_id"] for *_, headers in broker.sent] == [b"t1/started", b"t1/finished"] * 2


@pytest.mark.parametrize("failing", [0, 1])
async def test_what_was_not_acked_has_the_groups_given_again(failing):
    broker = Broker()
    broker.failing[failing] = BrokerUnavailable("away")
    with pytest.raises(BrokerUnavailable):
        await LifecycleFeed(broker.publish_all)([GROUP])
