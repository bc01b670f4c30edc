"""What the bus says when it starts."""

import pytest
from structlog.testing import capture_logs

from metaqore_mesh.kafka.bus import Bus
from metaqore_mesh.settings import KafkaSettings


@pytest.mark.parametrize("embedded", [True, False])
async def test_a_broker_that_is_only_for_development_is_named_in_the_log(embedded):
    bus = Bus(KafkaSettings(bootstrap_servers="127.0.0.1:1", embedded=embedded), client_id="me")
    with capture_logs() as lines:
        await bus.start()
        await bus.stop(0)
    assert any(line["event"] == "kafka.embedded_broker" for line in lines) is embedded
