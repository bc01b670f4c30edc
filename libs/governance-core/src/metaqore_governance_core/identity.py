"""Who asks: a caller of an organization, with the scopes of its key, through a door."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Door(StrEnum):
    """The way by which a task came in."""

    REST = "rest"
    GRPC = "grpc"
    KAFKA = "kafka"


class Scope(StrEnum):
    """What a key may be used for."""

    TASKS_SUBMIT = "tasks:submit"
    TASKS_READ = "tasks:read"
    AUDIT_READ = "audit:read"
    PSMP_READ = "psmp:read"
    PSMP_WRITE = "psmp:write"
    PSMP_MODE = "psmp:mode"
    PSMP_ERASE = "psmp:erase"
    KEYS_ADMIN = "keys:admin"
    MESH_ADMIN = "mesh:admin"


DEFAULT_SCOPES = frozenset({Scope.TASKS_SUBMIT, Scope.TASKS_READ, Scope.AUDIT_READ, Scope.PSMP_READ, Scope.PSMP_WRITE})

ROLE_SCOPE = "role:"
"""A scope that begins so is a role that the organization gave: `role:reviewer`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller. `id` is its key's id, `name` what people call it (a personal field)."""

    id: str
    organization: str
    name: str
    scopes: frozenset[str]
