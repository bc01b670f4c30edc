"""What docs/ lists is what there is."""

import ast
import re
from itertools import chain
from pathlib import Path

import pytest
from pydantic import BaseModel

from metaqore_ai_gateway.settings import GatewaySettings
from metaqore_compliance_auditor.settings import AuditorSettings
from metaqore_governance_core.contracts.topics import TOPICS
from metaqore_governance_core.identity import Scope
from metaqore_governance_core.psmp.event_codec import EVENT_CLASSES
from metaqore_inference.settings import InferenceSettings
from metaqore_mesh.embedded.settings import UpSettings
from metaqore_mesh.variables import variable

ROOT = Path(__file__).parents[2]
DOCS = {path.name: path.read_text() for path in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md")}
GATEWAY = ("services/ai-gateway/src", "libs/governance-core/src/metaqore_governance_core/psmp")
SERVICES = (
    *GATEWAY,
    "services/inference/src",
    "services/compliance-auditor/src",
    "libs/mesh/src/metaqore_mesh/grpc",
)
ALL = (
    *SERVICES,
    "libs/governance-core/src",
    "libs/mesh/src",
)

CODE = r"[a-z0-9]+(?:_[a-z0-9]+)*"

RAISES = {
    "InvalidChatError", "InvalidJsonError", "MetaQoreError", "NotInLogError", "PsmpRefusedError", "__init__",
    "_invalid", "_missing", "_uuid", "conflict", "failed", "forbidden", "refused",
}  # fmt: skip
"""What a code is given to first."""

NO_CLIENT_S = {
    "answer_cut_off", "answer_files_too_large", "answer_files_too_many", "client_left", "durability_not_kept",
    "event_unreadable", "gateway_stopping", "model_file_missing", "organization_missing", "port_taken",
    "proposals_busy", "psmp_events_restored", "psmp_roles_missing", "scanner_failed", "webhook_secret_unreadable",
    "claim_not_found", "writer_invalid", "writers_invalid",
}  # fmt: skip
"""Told in the log, to who starts the mesh, or to another service of it alone."""

GIVEN_BY_UP = {
    "METAQORE_AUDITOR__ENDPOINT", "METAQORE_INFERENCE__ENDPOINT", "METAQORE_KAFKA__EMBEDDED",
    "METAQORE_TELEMETRY__METRICS_PORT",
}  # fmt: skip
"""What `metaqore up` tells each part, whatever was set."""


def sources(*places):
    return {path: path.read_text() for place in places for path in (ROOT / place).rglob("*.py")}


def raised(text):
    for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and node.args):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        first = call.args[0]
        if (
            name in RAISES
            and isinstance(first, ast.Constant)
            and re.fullmatch(CODE if name == "MetaQoreError" else r"[a-z0-9]+(_[a-z0-9]+)+", str(first.value))
        ):
            yield first.value


def test_every_code_that_a_client_may_get_is_listed_and_every_listed_one_is_there():
    listed = set(re.findall(f"`({CODE})`", DOCS["codes.md"].partition("## The request")[2]))
    named = set(re.findall(r"^\| `([a-z_]+)` \|", DOCS["policies.md"], re.MULTILINE))
    codes = set(chain.from_iterable(map(raised, sources(*SERVICES).values())))
    assert codes - NO_CLIENT_S - named - listed == set()
    texts = "".join(sources(*ALL).values())
    assert {code for code in listed if f'"{code}"' not in texts and not code.endswith("_not_found")} == set()
    spool = sources("libs/mesh/src/metaqore_mesh/spool")[ROOT / "libs/mesh/src/metaqore_mesh/spool/errors.py"]
    untried = set(re.findall(r'"(spool_[a-z]+)",[^)]*ErrorKind.UNAVAILABLE', spool))
    assert untried
    assert untried <= listed


@pytest.mark.parametrize("page", DOCS)
def test_every_metric_and_topic_that_is_named_is_there(page):
    texts = sources(*ALL).values()
    for name, labels in re.findall(r"`(metaqore_[a-z_]+)(?:\{([a-z,]+)\})?`", DOCS[page]):
        made = [one for one in texts if re.search(rf'"{name.removesuffix("_total")}(_total)?"', one)]
        assert any(all(f'"{label}"' in one for label in labels.split(",") if label) for one in made), name
    for topic in re.findall(
        r"\bmetaqore\.(?:task|audit|psmp)\.(?:requests|results|records|commands|events)\.v1", DOCS[page]
    ):
        assert topic in TOPICS


def test_the_names_of_events_are_listed():
    names = re.findall(r"`((?:project|artifact|task)\.[A-Z][A-Za-z]+)`", DOCS["events.md"].partition("## Names")[2])
    assert set(names) == set(EVENT_CLASSES)


def test_the_scopes_are_listed():
    listed = re.findall(r"^\| `([a-z]+:[a-z]+)` \|", DOCS["policies.md"], re.MULTILINE)
    assert listed == [scope.value for scope in Scope]


def test_the_settings_are_listed_with_what_holds_unless_they_are_set():
    listed = dict(re.findall(r"^\| `(METAQORE_[A-Z0-9_]+)` \| (?:`([^`]+)`)? \|", DOCS["settings.md"], re.MULTILINE))
    made = dict(chain.from_iterable(map(defaults, (GatewaySettings, AuditorSettings, InferenceSettings, UpSettings))))
    assert set(listed) == set(made) - GIVEN_BY_UP
    told = {name: default for name, default in listed.items() if default}
    assert told == {name: str(made[name]).lower() if made[name] in {True, False} else str(made[name]) for name in told}


def defaults(settings):
    for name, field in settings.model_fields.items():
        yield from walked(field.default, name)


def walked(value, *path):
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from walked(getattr(value, name), *path, name)
    else:
        yield variable(*path), value
