"""What is known of a stored body: all that its owner's row keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from metaqore_governance_core.records import Commitment

BODIES = "bodies/"
"""What the names of all bodies begin with."""

_PURPOSE = "metaqore-body/v1"


@dataclass(frozen=True, slots=True)
class Body:
    """A text that is held sealed: by the store, or, where it is small, by its row alone, which has it in `sealed`.

    `text` is its address: the same text has the same one within an organization, and another in each other
    organization, so that an address tells nobody who else holds the text. `name` is its object's, a new one each time
    a text is sealed. Without `wrapped_key` nobody can read it again.
    """

    organization: str
    text: Commitment
    name: str
    wrapped_key: bytes = field(repr=False)
    sealed: bytes | None = field(default=None, repr=False)


def prefix_of(organization: str) -> str:
    """What the names of an organization's bodies begin with."""
    return f"{BODIES}{organization}/"


def purpose(organization: str, text: Commitment, name: str) -> bytes:
    """What a wrapped key is bound to: with any of these altered it does not open."""
    return "\n".join((_PURPOSE, name, text.digest, text.key_id, str(text.size_bytes), organization)).encode()
