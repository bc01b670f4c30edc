"""A project's policy, as it is given on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from metaqore.psmp.v1 import project_pb2 as pb
from metaqore_cli.moments import duration_us

_Approvals = Annotated[
    list[str] | None, typer.Option(help="So many of a role must approve, as 2:reviewer. May be repeated.")
]
_VetoRoles = Annotated[list[str] | None, typer.Option(help="Who has this role may veto. May be repeated.")]
_ActivateOwn = Annotated[
    bool, typer.Option("--may-activate-own/--may-not-activate-own", help="Whether who proposed may activate.")
]
_ResolveOwn = Annotated[
    bool, typer.Option("--may-resolve-own/--may-not-resolve-own", help="Whether a party may resolve in its own favour.")
]
_Ttl = Annotated[str, typer.Option(help="How long a proposal stands, as 7d or 12h; for ever without.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a project asks for; what is not given is as strict as it can be."""

    approvals: _Approvals = None
    veto_role: _VetoRoles = None
    may_activate_own: _ActivateOwn = False
    may_resolve_own: _ResolveOwn = False
    proposal_ttl: _Ttl = ""

    def message(self) -> pb.ProjectPolicy:
        """The whole policy. Raises `typer.BadParameter`."""
        return pb.ProjectPolicy(
            approvals=[_rule(one) for one in self.approvals or []],
            veto_roles=self.veto_role or [],
            may_activate_own=self.may_activate_own,
            may_resolve_own=self.may_resolve_own,
            proposal_ttl_us=duration_us(self.proposal_ttl) if self.proposal_ttl else None,
        )


def _rule(text: str) -> pb.ApprovalRule:
    count, _, role = text.partition(":")
    if not (count.isascii() and count.isdecimal() and role):
        raise typer.BadParameter(f"{text!r} is no rule. Write how many of which role, as 2:reviewer.")
    return pb.ApprovalRule(role=role, count=int(count))
