"""The use cases of API keys: create, list, revoke."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from metaqore_ai_gateway.domain.api_key import (
    NEW_ORGANIZATION,
    ApiKey,
    check_caller_name,
    mesh_admin_needed,
    scopes_to_grant,
)
from metaqore_ai_gateway.service.authenticate import require_scope
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Scope
from metaqore_governance_core.ids import OPAQUE_BYTES, opaque_id

SECRET_PREFIX: Final = "mq_"  # noqa: S105  the public part of every key
SECRET_BYTES: Final = 32


def make_secret() -> str:
    """A new API key: `mq_` and 256 random bits as base64url."""
    return SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> bytes:
    """What is kept of an API key: its SHA-256. With 256 random bits in it a slow hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def make_id(prefix: str) -> str:
    """A new random id, as in `org_…` and `key_…`."""
    return opaque_id(prefix, secrets.token_bytes(OPAQUE_BYTES))


class KeyStore(Protocol):
    """Where API keys are kept, by their digest."""

    async def create(
        self, *, key_id: str, organization: str, caller: str, scopes: frozenset[str], digest: bytes
    ) -> ApiKey:
        """Keep a new key. Raises `organization_not_found`."""
        ...

    async def create_organization(self, organization: str, name: str) -> None:
        """Keep a new organization; one that is there already stays as it is."""
        ...

    async def of_organization(self, organization: str) -> list[ApiKey]:
        """Its keys, revoked ones too, oldest first."""
        ...

    async def revoke(self, key_id: str, organization: str | None) -> ApiKey | None:
        """The key, revoked now or before; None where there is none (in `organization`, where that is given)."""
        ...


@dataclass(frozen=True, slots=True)
class CreateKey:
    """Make a key in the caller's own organization; in another or a new one only with `mesh:admin`."""

    keys: KeyStore
    make_secret: Callable[[], str] = make_secret
    make_id: Callable[[str], str] = make_id

    async def __call__(
        self, admin: Caller, name: str, scopes: frozenset[str], organization: str = ""
    ) -> tuple[ApiKey, str]:
        """The key and its secret, which is shown this once."""
        require_scope(admin, Scope.KEYS_ADMIN)
        check_caller_name(name)
        granted = scopes_to_grant(admin, scopes)
        owner = await self._owner(admin, organization)
        secret = self.make_secret()
        key = await self.keys.create(
            key_id=self.make_id("key"), organization=owner, caller=name, scopes=granted, digest=digest_of(secret)
        )
        return key, secret

    async def _owner(self, admin: Caller, organization: str) -> str:
        if organization in {"", admin.organization}:
            return admin.organization
        if Scope.MESH_ADMIN not in admin.scopes:
            raise mesh_admin_needed("make keys for another organization")
        if organization != NEW_ORGANIZATION:
            return organization
        made = self.make_id("org")
        await self.keys.create_organization(made, made)
        return made


@dataclass(frozen=True, slots=True)
class ListKeys:
    """The keys of the caller's organization."""

    keys: KeyStore

    async def __call__(self, admin: Caller) -> list[ApiKey]:
        """Oldest first; revoked ones are among them."""
        require_scope(admin, Scope.KEYS_ADMIN)
        return await self.keys.of_organization(admin.organization)


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """Revoke a key of the caller's organization, or with `mesh:admin` any. Revoking twice is no error."""

    keys: KeyStore

    async def __call__(self, admin: Caller, key_id: str) -> ApiKey:
        """The revoked key. Raises `key_not_found`."""
        require_scope(admin, Scope.KEYS_ADMIN)
        within = None if Scope.MESH_ADMIN in admin.scopes else admin.organization
        key = await self.keys.revoke(key_id, within)
        if key is None:
            raise MetaQoreError(
                "key_not_found", "Your organization has no key with this id; list the keys.", kind=ErrorKind.NOT_FOUND
            )
        return key
