"""How things of PSMP look to a person: conflicts with who and how, versions, receipts, refusals."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from google.protobuf.message import Message

from metaqore.psmp.v1 import artifact_pb2 as artifacts
from metaqore.psmp.v1 import common_pb2 as common
from metaqore.psmp.v1 import conflict_pb2 as conflicts
from metaqore_cli.completion import choice_name
from metaqore_cli.connection import connect
from metaqore_cli.moments import ago
from metaqore_cli.names import enum_name
from metaqore_cli.options import Making
from metaqore_cli.output import clean, error_dict, notes, print_json, screen
from metaqore_cli.plain import plain
from metaqore_cli.psmp_client import PsmpClient
from metaqore_cli.refusals import RefusedError
from metaqore_cli.sentences import Verb, sentence
from metaqore_governance_core.errors import MetaQoreError

_PHASE_COLOURS = {"active": "green", "blocked": "red", "proposed": "cyan", "draft": "yellow"}


@contextmanager
def asking(*, json: bool) -> Iterator[PsmpClient]:
    """A client for one command. A refusal is told in full before its error goes on; with `json` as JSON."""
    try:
        with PsmpClient(connect()) as client:
            yield client
    except MetaQoreError as error:
        if json:
            print_json(_error(error))
        elif isinstance(error, RefusedError):
            _tell_refused(error)
        raise


def say(markup: str) -> None:
    """A line of markup, never wrapped: what is in it may be copied."""
    screen.print(markup, highlight=False, soft_wrap=True)


def note(markup: str) -> None:
    """A line beside the answer, on standard error."""
    notes.print(f"[dim]{markup}[/]", highlight=False, soft_wrap=True)


def answered(how: Making, response: Any, subject: str, verb: Verb, rest: str) -> bool:
    """Tells what a command did, or would do; whether there is more to tell a person."""
    if how.json:
        print_json(done_dict(how, response))
        return False
    begins = "[yellow]dry run, nothing is done:[/]" if how.dry_run else "[green]done:[/]"
    say(f"{begins} {sentence(subject, verb, rest, happened=not how.dry_run)}")
    tell_receipt(response.committed, dry_run=how.dry_run)
    return True


def tell_next(what: str, command: str) -> None:
    """What one may want to do next, as a command."""
    say(f"[dim]next, {what}:[/] {clean(command)}")


def tell_lines(lines: dict[str, str]) -> None:
    """Names and what they say, those that say something."""
    for name, text in lines.items():
        if text:
            say(f"[bold]{name:>16}[/]  {text}")


def ask_first(question: str, *, json: bool) -> None:
    """Asks a person, who may say no; who asks for JSON is none. Raises `not_confirmed`."""
    try:
        confirmed = not json and typer.confirm(question, err=True)
    except typer.Abort:  # there is nobody to ask
        notes.print()
        confirmed = False
    if not confirmed:
        message = "Nothing was done. Say --yes to do it without being asked, or --dry-run to see what it would do."
        raise MetaQoreError("not_confirmed", message)


def done_dict(how: Making, response: Message) -> dict[str, Any]:
    """An answer as plain values, its receipt first."""
    shown = plain(response)
    committed = shown.pop("committed") or {}
    return {
        "receipt": committed.get("receipt_id"),
        "receipt_token": committed.get("receipt_token"),
        "project_version": committed.get("project_version"),
        "dry_run": how.dry_run,
        **shown,
    }


def tell_receipt(committed: common.Committed, *, dry_run: bool) -> None:
    """The receipt's id, and where the project stands, or would."""
    stands = "project version would be" if dry_run else "project version"
    note(f"receipt {clean(committed.receipt_id)} · {stands} {committed.project_version}")


def phase_name(phase: int) -> str:
    """`blocked` and the like."""
    return enum_name(artifacts.Phase.DESCRIPTOR, phase)


def phase_markup(phase: int) -> str:
    """The phase in its colour."""
    name = phase_name(phase)
    return f"[{_PHASE_COLOURS.get(name, 'dim')}]{name}[/]"


def tell_conflicts(found: Iterable[conflicts.Conflict], *, stand: bool = True) -> int:
    """Each conflict: what and who; and how to resolve it, where they `stand` already. How many there are."""
    count = 0
    for one in found:
        count += 1
        tell_conflict(one)
        if stand:
            tell_choices(one)
    return count


def tell_conflict(one: conflicts.Conflict) -> None:
    """What it is, since when, and who is party to it."""
    colour = "red" if one.severity == conflicts.SEVERITY_BLOCKING else "yellow"
    ended = f", gone {ago(one.end_time)}" if one.HasField("end_time") else ""
    since = f" [dim]since {ago(one.open_time)}{ended}[/]" if one.HasField("open_time") else ""
    severity = enum_name(conflicts.Severity.DESCRIPTOR, one.severity)
    say(f"[{colour}]{severity}[/] [bold]{clean(one.type)}[/] {clean(one.key)}{since}  [dim]{clean(one.id)}[/]")
    say(f"   {clean(one.explanation)}")
    for party in one.clashing:
        if f"{party.artifact} v{party.version}" not in one.explanation:
            say(f"   [dim]{clean(party.artifact)} v{party.version} by {clean(party.by)}:[/] {clean(party.declares)}")
    if one.chosen:
        say(f"   chosen: {choice_name(one.chosen)}")


def tell_choices(one: conflicts.Conflict) -> None:
    """Every command that would resolve it, the suggested one first."""
    if not one.HasField("end_time"):
        stopped = {f"{party.artifact}@{party.version}" for party in one.parties if _is_stopped(party, one)}
        words = "".join(f" --for {shlex.quote(each)}" for each in stopped)
        for number, choice in enumerate(one.choices or [one.suggestion]):
            command = f'metaqore conflict resolve {one.id} {choice_name(choice)}{words} --why "…"'
            say(f"   [cyan]{clean(command)}[/]{'  [dim](suggested)[/]' if number == 0 else ''}")


def _is_stopped(party: conflicts.Party, of: conflicts.Conflict) -> bool:
    return bool(of.artifact_id) and (party.artifact_id, party.version) == (of.artifact_id, of.version)


def tell_ways_out(ways: Iterable[common.WayOut], indent: str = "   ") -> None:
    """Commands that help, with who may give them."""
    for way in ways:
        say(f"{indent}[cyan]{clean(way.command)}[/]  [dim]{clean(way.who)}[/]")


def _tell_refused(error: RefusedError) -> None:
    refusal = error.refusal
    tell_conflicts(refusal.conflicts, stand=False)
    if refusal.ways_out:
        say("what would help, and who may do it:")
        tell_ways_out(refusal.ways_out)
    if refusal.cut:
        note("more stands in the way: see metaqore project report, or ask with --dry-run")
    if refusal.receipt_id:
        note(f"receipt {clean(refusal.receipt_id)}")


def _error(error: MetaQoreError) -> dict[str, Any]:
    told: dict[str, Any] = {"error": error_dict(error)}
    if isinstance(error, RefusedError):
        refusal = plain(error.refusal)
        told |= {"state": refusal["state"], "receipt": refusal["receipt_id"], "receipt_token": error.receipt_token}
        told |= {name: refusal[name] for name in ("conflicts", "ways_out", "cut")}
    return told
