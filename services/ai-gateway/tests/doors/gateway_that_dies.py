"""A gateway process for `test_kafka_credentials.py`, given its settings as JSON. It is killed at its first decision."""

import asyncio
import os
import signal
import sys

from metaqore_ai_gateway.bootstrap import bootstrap
from metaqore_ai_gateway.service.record_decision import RecordDecision
from metaqore_ai_gateway.settings import GatewaySettings
from metaqore_mesh.health import Health


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


async def main(settings):
    RecordDecision.__call__ = die
    async with bootstrap(GatewaySettings.model_validate_json(settings), Health()):
        await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
