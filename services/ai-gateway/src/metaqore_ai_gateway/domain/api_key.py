"""An API key as its organization sees it, and who may make which."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import DEFAULT_SCOPES, ROLE_SCOPE, Caller, Scope
from metaqore_governance_core.psmp.actor import SYSTEM

NEW_ORGANIZATION: Final = "new"
MAX_CALLER_CHARACTERS: Final = 200
_ROLE: Final = re.compile(re.escape(ROLE_SCOPE) + "[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. `caller` is the name of whoever uses it; times have a time zone."""

    id: str
    organization: str
    caller: str
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None = None


def check_caller_name(name: str) -> str:
    """The name as given, by which policy and projects know who somebody is.

    Raises `invalid_caller_name` unless it has 1 to 200 printable characters, in a form that no other looks like (NFKC,
    no space around it), and is not the mesh's own.
    """
    if not name.strip() or len(name) > MAX_CALLER_CHARACTERS or not name.isprintable():
        raise MetaQoreError("invalid_caller_name", "Give the caller a name of 1 to 200 printable characters.")
    if name != unicodedata.normalize("NFKC", name).strip():
        message = "Write the caller's name in plain characters (Unicode NFKC), without a space before or behind it."
        raise MetaQoreError("invalid_caller_name", message)
    if name.casefold() == SYSTEM.name:
        raise MetaQoreError("invalid_caller_name", "This is the name of the mesh itself. Choose another.")
    return name


def scopes_to_grant(admin: Caller, wanted: frozenset[str]) -> frozenset[str]:
    """The scopes of a new key; none wanted means the default ones.

    Raises `unknown_scope`, or `missing_scope` where `mesh:admin` is wanted by one who lacks it.
    """
    if not wanted:
        return frozenset(scope.value for scope in DEFAULT_SCOPES)
    unknown = {one for one in wanted - {scope.value for scope in Scope} if not _ROLE.fullmatch(one)}
    if unknown:
        known = ", ".join(scope.value for scope in Scope) + f", or a role as {ROLE_SCOPE}reviewer"
        raise MetaQoreError("unknown_scope", f"Choose scopes from: {known}.", reasons=tuple(sorted(unknown)))
    if Scope.MESH_ADMIN in wanted and Scope.MESH_ADMIN not in admin.scopes:
        raise mesh_admin_needed("grant mesh:admin")
    return wanted


def mesh_admin_needed(what: str) -> MetaQoreError:
    """Only an administrator of the whole mesh may do `what`."""
    return MetaQoreError(
        "missing_scope",
        f"Only a key with the scope mesh:admin may {what}.",
        kind=ErrorKind.FORBIDDEN,
        reasons=(Scope.MESH_ADMIN.value,),
    )
