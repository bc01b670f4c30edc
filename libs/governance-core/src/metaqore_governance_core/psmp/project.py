"""The life of a project: open, frozen and at last archived, with its mode and its policy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import reduce
from typing import assert_never

from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.refusal import PsmpRefusedError, conflict


class ProjectState(StrEnum):
    """Where a project stands. `archived` is final."""

    OPEN = "open"
    FROZEN = "frozen"
    ARCHIVED = "archived"


class Mode(StrEnum):
    """`flexible` adds three commands to the artifact's machine and opens no way around it."""

    STRICT = "strict"
    FLEXIBLE = "flexible"


@dataclass(frozen=True, slots=True, order=True)
class ApprovalRule:
    """So many different people of a role must approve a version before it can become active."""

    role: str
    count: int

    def __post_init__(self) -> None:
        if self.count < 1 or not self.role:
            raise PsmpRefusedError("policy_invalid", "An approval rule needs a role and a count of at least 1.")


@dataclass(frozen=True, slots=True)
class ProjectPolicy:
    """What a project asks for beyond the machine. The defaults are the strictest that let anything happen."""

    approvals: tuple[ApprovalRule, ...] = ()
    veto_roles: frozenset[str] = frozenset()
    may_activate_own: bool = False
    may_resolve_own: bool = False
    proposal_ttl_us: int | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """`state` is None until the project is created. `since_us` is since when it is in its state."""

    state: ProjectState | None = None
    id: str = ""
    organization: str = ""
    name: str = ""
    description: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    mode: Mode = Mode.STRICT
    policy: ProjectPolicy = field(default_factory=ProjectPolicy)
    since_us: int = 0
    created_us: int = 0


@dataclass(frozen=True, slots=True)
class _Command:
    """Who wants it, and when: microseconds since the Unix epoch, from the caller's clock."""

    by: Actor
    at_us: int


@dataclass(frozen=True, slots=True)
class Create(_Command):
    """Begin a project, strict unless said otherwise."""

    id: str
    organization: str
    name: str
    mode: Mode = Mode.STRICT
    policy: ProjectPolicy = field(default_factory=ProjectPolicy)


@dataclass(frozen=True, slots=True)
class Describe(_Command):
    """Change what a person reads about it; labels are sorted by name. None leaves it as it is."""

    description: str | None
    labels: tuple[tuple[str, str], ...] | None = ()


@dataclass(frozen=True, slots=True)
class Freeze(_Command):
    """Let nothing in it change but what time and law demand."""

    why: str


@dataclass(frozen=True, slots=True)
class Unfreeze(_Command):
    """Let it change again."""

    why: str


@dataclass(frozen=True, slots=True)
class SetMode(_Command):
    """Change the mode. A verb of its own, so that an allowpath can keep it to few."""

    mode: Mode
    why: str


@dataclass(frozen=True, slots=True)
class SetPolicy(_Command):
    """Replace the policy."""

    policy: ProjectPolicy
    why: str


@dataclass(frozen=True, slots=True)
class Archive(_Command):
    """End the project. `open_items` names what in it is not final; while there is any, it stays."""

    why: str
    open_items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Event:
    by: str
    at_us: int


@dataclass(frozen=True, slots=True)
class ProjectCreated(_Event):
    """The project is open."""

    id: str
    organization: str
    name: str
    mode: Mode
    policy: ProjectPolicy


@dataclass(frozen=True, slots=True)
class ProjectDescribed(_Event):
    """Its description and labels are these."""

    description: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ProjectFrozen(_Event):
    """Nothing in it changes."""

    why: str


@dataclass(frozen=True, slots=True)
class ProjectUnfrozen(_Event):
    """It changes again."""

    why: str


@dataclass(frozen=True, slots=True)
class ModeSet(_Event):
    """The mode is this from now on; what was decided before stands."""

    mode: Mode
    why: str


@dataclass(frozen=True, slots=True)
class PolicySet(_Event):
    """The policy is this from now on."""

    policy: ProjectPolicy
    why: str


@dataclass(frozen=True, slots=True)
class ProjectArchived(_Event):
    """The project has ended; its history stays."""

    why: str


Command = Create | Describe | Freeze | Unfreeze | SetMode | SetPolicy | Archive
Event = ProjectCreated | ProjectDescribed | ProjectFrozen | ProjectUnfrozen | ModeSet | PolicySet | ProjectArchived


def decide(project: Project, command: Command) -> list[Event]:
    """The events that `command` causes. Raises `PsmpRefusedError`."""
    if project.state is ProjectState.ARCHIVED:
        raise conflict("project_archived", "The project is archived, and that is final. Create another.")
    if isinstance(command, Create) and project.state is not None:
        raise conflict("project_exists", "The project exists. Choose another name.")
    if not isinstance(command, Create) and project.state is None:
        raise conflict("project_missing", "There is no such project. Create it first.")
    return [_event(project, command)]


def _event(project: Project, command: Command) -> Event:
    by, at_us = command.by.name, command.at_us
    event: Event
    match command:
        case Create():
            event = ProjectCreated(
                by, at_us, command.id, command.organization, command.name, command.mode, command.policy
            )
        case Describe():
            described = project.description if command.description is None else command.description
            labels = project.labels if command.labels is None else tuple(sorted(command.labels))
            event = ProjectDescribed(by, at_us, described, labels)
        case Freeze():
            _expect(project, ProjectState.OPEN, "freeze it")
            event = ProjectFrozen(by, at_us, command.why)
        case Unfreeze():
            _expect(project, ProjectState.FROZEN, "unfreeze it")
            event = ProjectUnfrozen(by, at_us, command.why)
        case SetMode():
            if command.mode is project.mode:
                raise conflict("mode_unchanged", f"The project is {project.mode} already; there is nothing to set.")
            event = ModeSet(by, at_us, command.mode, command.why)
        case SetPolicy():
            event = PolicySet(by, at_us, command.policy, command.why)
        case Archive():
            if command.open_items:
                names = ", ".join(command.open_items[:5]) + (" and more" if len(command.open_items) > 5 else "")  # noqa: PLR2004 - enough to begin with
                raise conflict(
                    "project_not_empty",
                    f"These are still open: {names}. End them first, or archive with cascade.",
                    reasons=command.open_items,
                )
            event = ProjectArchived(by, at_us, command.why)
        case _:
            assert_never(command)
    return event


def _expect(project: Project, state: ProjectState, verb: str) -> None:
    if project.state is not state:
        raise conflict(
            "wrong_project_state", f"The project is {project.state}; only while it is {state} can you {verb}."
        )


def evolve(project: Project, event: Event) -> Project:  # noqa: PLR0911 - one return an event
    """`project` after `event`. Total: an event that is stored always applies."""
    match event:
        case ProjectCreated():
            return Project(
                ProjectState.OPEN,
                event.id,
                event.organization,
                event.name,
                mode=event.mode,
                policy=event.policy,
                since_us=event.at_us,
                created_us=event.at_us,
            )
        case ProjectDescribed():
            return replace(project, description=event.description, labels=event.labels)
        case ProjectFrozen():
            return replace(project, state=ProjectState.FROZEN, since_us=event.at_us)
        case ProjectUnfrozen():
            return replace(project, state=ProjectState.OPEN, since_us=event.at_us)
        case ModeSet():
            return replace(project, mode=event.mode)
        case PolicySet():
            return replace(project, policy=event.policy)
        case ProjectArchived():
            return replace(project, state=ProjectState.ARCHIVED, since_us=event.at_us)
        case _:
            assert_never(event)


def replay(events: Iterable[Event]) -> Project:
    """The state that `events` lead to."""
    return reduce(evolve, events, Project())
