"""What a rule may name is what policy is asked about."""

import inspect
import re

from metaqore_ai_gateway.service.psmp import upload_body, webhooks
from metaqore_mesh.config import PSMP_VERBS


def test_what_is_no_command_has_its_tool_and_verbs():
    asked = set(re.findall(r'_decided\(caller, "(\w+)"', inspect.getsource(webhooks)))
    assert asked == PSMP_VERBS[webhooks.TOOL]
    assert upload_body.VERB in PSMP_VERBS[upload_body.TOOL]
