"""Fields of requests: what is refused about them, and by which name they are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from pydantic import ValidationError

from metaqore.psmp.v1 import common_pb2
from metaqore_ai_gateway.domain.task_view import DEFAULT_PAGE, LARGEST_PAGE
from metaqore_ai_gateway.service.psmp.reading_ports import Labels, Wanted
from metaqore_governance_core.errors import MetaQoreError

MAX_ID: Final = 256
MAX_NAME: Final = 1024
MAX_LABELS: Final = 64
MAX_TOKEN: Final = 8192
"""More than what begins behind the longest name of an artifact takes, twice in base64."""

_INSIDE: Final[Mapping[str, str]] = {
    "NewVersion": "version",
    "DeclarationsSpec": "declarations",
    "DependencySpec": "dependencies",
    "RenameSpec": "renames",
    "ProvenanceSpec": "provenance",
    "DraftRef": "draft",
    "Proposal": "proposals",
    "ProjectPolicySpec": "policy",
    "ApprovalRuleSpec": "approvals",
}
"""Where in a request stands what the contract's parts are made of."""

_NAMES: Final[Mapping[str, str]] = {
    "artifact": "artifact_id",
    "artifact_name": "name",
    "checkpoint": "id",
    "checkpoint_name": "name",
    "conflict": "id",
    "expected_revision": "expected_version",
    "project_name": "name",
    "task": "id",
}
_TASK_ID: Final = "task_id"


class Paged(Protocol):
    """A request for a page."""

    page_size: int
    page_token: str


def invalid(field: str, what: str) -> MetaQoreError:
    """A field is not as it has to be."""
    return MetaQoreError("invalid_request", f"{field} {what}", reasons=(field,))


def unreadable(error: ValidationError, prefix: str = "") -> MetaQoreError:
    """What of a command is not as the contract has it, by the request's names, and never what stood there."""
    fields: list[str] = []
    told: list[str] = []
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        field = prefix + _field(error.title, one["loc"])
        if prefix:
            field = field.replace(f"{prefix}version.", f"{prefix}created.")
        fields.append(field)
        told.append(f"{field}: {one['msg']}.")
    return MetaQoreError("invalid_request", " ".join(told[:5]), reasons=tuple(dict.fromkeys(fields)))


def _field(model: str, location: tuple[int | str, ...]) -> str:
    steps = [_INSIDE[model]] if model in _INSIDE else []
    for step in location:
        if isinstance(step, int):
            steps[-1] += f"[{step}]"
        elif model == "ProvenanceSpec" and step == "task":
            steps.append(_TASK_ID)
        else:
            steps.append(_NAMES.get(step, step))
    return ".".join(steps) or "request"


def identifier(value: str, field: str) -> str:
    """An id, which must be there. Raises `invalid_request`."""
    if not value:
        raise invalid(field, "is missing.")
    return bounded(value, field)


def bounded(value: str, field: str, most: int = MAX_ID) -> str:
    """A text that may be empty. Raises `invalid_request`."""
    if len(value) > most:
        raise invalid(field, f"has more than {most} characters.")
    if not value.isprintable() and any(letter < " " or letter == "\x7f" for letter in value):
        raise invalid(field, "has control characters.")
    return value


def few(values: Iterable[str], field: str, most: int = 100) -> tuple[str, ...]:
    """At most so many texts. Raises `invalid_request`."""
    found = tuple(identifier(value, field) for value in values)
    if len(found) > most:
        raise invalid(field, f"has more than {most} items.")
    return found


def labels_of(labels: Iterable[common_pb2.Label], field: str = "labels") -> dict[str, str]:
    """Labels by name. Raises `invalid_request` for a name that comes twice."""
    found: dict[str, str] = {}
    for label in labels:
        if label.name in found:
            raise invalid(field, "has two labels of one name.")
        found[label.name] = label.value
    return found


def described(request: Any, *more: str) -> dict[str, Any]:
    """Description, labels, and the texts `more` as a request has them; None for what is not set.

    Raises `invalid_request` where nothing is.
    """
    texts = (*more, "description")
    if not any(request.HasField(field) for field in (*texts, "labels")):
        raise invalid(texts[0], f"or {' or '.join((*texts[1:], 'labels'))} must be set.")
    found: dict[str, Any] = {field: getattr(request, field) if request.HasField(field) else None for field in texts}
    return found | {"labels": labels_of(request.labels.labels) if request.HasField("labels") else None}


def wanted_labels(labels: Iterable[common_pb2.Label]) -> Labels:
    """Labels to look for, by name. Raises `invalid_request`."""
    found = labels_of(labels)
    if len(found) > MAX_LABELS:
        raise invalid("labels", f"has more than {MAX_LABELS} items.")
    for name, value in found.items():
        identifier(name, "labels.name")
        bounded(value, "labels.value", MAX_NAME)
    return tuple(sorted(found.items()))


def wanted_page(request: Paged) -> Wanted:
    """Which page is wanted. Raises `invalid_request`."""
    if request.page_size > LARGEST_PAGE:
        raise invalid("page_size", f"is more than {LARGEST_PAGE}.")
    return Wanted(bounded(request.page_token, "page_token", MAX_TOKEN), request.page_size or DEFAULT_PAGE)
