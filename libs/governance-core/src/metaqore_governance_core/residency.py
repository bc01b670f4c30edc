"""Residency policies: where a text of each sensitivity may be processed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.sensitivity import Sensitivity


class Locality(StrEnum):
    """Where a provider runs: on the organization's own machines, or at somebody else's."""

    LOCAL = "local"
    CLOUD = "cloud"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a text may go. With `in_order` a later locality is only a fallback for the ones before it; without, the
    routes' own order holds.
    """

    localities: tuple[Locality, ...]
    in_order: bool = True


@dataclass(frozen=True, slots=True)
class ResidencyPolicy:
    """A named table from sensitivity to placement, whole by construction: a level that it lacks may go nowhere."""

    name: str
    alias: str
    summary: str
    placements: Mapping[Sensitivity, Placement]

    def placement(self, sensitivity: Sensitivity) -> Placement:
        """Where a text of this sensitivity may go."""
        return self.placements.get(sensitivity, NOWHERE)


NOWHERE: Final = Placement(())
LOCAL_ONLY: Final = Placement((Locality.LOCAL,))
LOCAL_THEN_CLOUD: Final = Placement((Locality.LOCAL, Locality.CLOUD))
LOCAL_OR_CLOUD: Final = Placement((Locality.LOCAL, Locality.CLOUD), in_order=False)


def _policy(name: str, alias: str, summary: str, public: Placement) -> ResidencyPolicy:
    rest = dict.fromkeys(Sensitivity, LOCAL_ONLY)
    return ResidencyPolicy(name, alias, summary, MappingProxyType(rest | {Sensitivity.PUBLIC: public}))


DEFAULT: Final = _policy(
    "default_local_first", "default", "Local first; cloud only as a fallback, and only for PUBLIC.", LOCAL_THEN_CLOUD
)
ENTERPRISE: Final = _policy(
    "enterprise_residency", "enterprise", "PUBLIC may go to the cloud; the rest is local.", LOCAL_OR_CLOUD
)
COMPLIANCE: Final = _policy("compliance_local_only", "compliance", "Everything is local.", LOCAL_ONLY)

RESIDENCY_POLICIES: Final = (DEFAULT, ENTERPRISE, COMPLIANCE)
_BY_NAME: Final = {key: policy for policy in RESIDENCY_POLICIES for key in (policy.name, policy.alias)}


def residency_policy(name: str) -> ResidencyPolicy:
    """The policy of that name or alias. Raises `MetaQoreError` `policy_unknown`."""
    policy = _BY_NAME.get(name.strip())
    if policy is None:
        raise MetaQoreError("policy_unknown", f"There is no policy {name!r}; use one of: {', '.join(_BY_NAME)}.")
    return policy
