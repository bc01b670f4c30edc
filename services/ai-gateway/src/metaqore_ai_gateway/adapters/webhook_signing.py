"""Signatures as Standard Webhooks has them, and the secrets for them as they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook as Signer

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.objects.body_keys import BodyKeys, WrongKey

_PURPOSE = b"metaqore-webhook-secret/v1\n"


def signed(secret: bytes, message_id: str, now_us: int, body: bytes) -> Sequence[tuple[str, str]]:
    """The headers that name the message, its time and its signature: the port `Sign`."""
    now = datetime.fromtimestamp(now_us // 1_000_000, UTC)
    signature = Signer(secret).sign(message_id, now, body.decode())
    return [
        ("webhook-id", message_id),
        ("webhook-timestamp", str(now_us // 1_000_000)),
        ("webhook-signature", signature),
    ]


@dataclass(frozen=True, slots=True)
class WrappedSecrets:
    """The port `SealedSecrets`: wrapped as the keys of bodies are, under the organization's key."""

    keys: BodyKeys

    def seal(self, organization: str, webhook: str, secret: bytes) -> bytes:
        """It opens only for this webhook."""
        return self.keys.wrap(organization, secret, _PURPOSE + webhook.encode())

    def open(self, organization: str, webhook: str, sealed: bytes) -> bytes:
        """The secret."""
        try:
            return self.keys.unwrap(organization, sealed, _PURPOSE + webhook.encode())
        except WrongKey as error:
            message = "The webhook's secret does not open. Restore the key of bodies, or make the webhook anew."
            raise MetaQoreError("webhook_secret_unreadable", message, kind=ErrorKind.INTERNAL) from error
