"""`metaqore audit`: read the log, fetch proofs, verify them offline."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from metaqore.audit.v1 import audit_pb2 as audit
from metaqore_cli import door_completion
from metaqore_cli.client import Client
from metaqore_cli.connection import connect, run_directory
from metaqore_cli.finding import is_uuid
from metaqore_cli.output import JSON_OPTION, clean, errors_told, notes, print_json, screen
from metaqore_cli.seen import SeenLogs
from metaqore_cli.trust import Trust, trusted
from metaqore_cli.verification import Verified, verify_all, verify_receipt
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.proofs import ReceiptProof, RecordProof, from_json, to_json
from metaqore_governance_core.receipts import Receipt, ReceiptError, parse_token
from metaqore_governance_core.records import CommandRecord, parse_record

app = typer.Typer(
    help="Read the audit log, fetch proofs, verify them offline.",
    no_args_is_help=True,
    epilog="Examples: metaqore audit tail   |   metaqore audit proof 019a…   |   metaqore audit verify --all",
)

RETRY_EVERY_S = 0.2

Wait = Annotated[float, typer.Option(help="How long to wait for the log to seal it, in seconds.", min=0)]
Key = Annotated[
    str | None,
    typer.Option(help="The log's public key: a file, or a vkey line. Without it: the key pinned in the run directory."),
]


@app.command(epilog="Examples: metaqore audit tail   |   metaqore audit tail -n 100 --follow --json | jq .task")
def tail(
    count: Annotated[int, typer.Option("-n", help="How many of the last records.", min=0)] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones as they are sealed.")] = False,
    json_: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """The last records of your organization's log."""
    with errors_told(json=json_), Client(connect()) as client:
        for entry in client.records(audit.ListRecordsRequest(tail=count, follow=follow)):
            record = json.loads(entry.record)
            if json_:
                print_json({"index": entry.leaf_index, **record})
            else:
                screen.print(_line(entry.leaf_index, record), highlight=False, soft_wrap=True)


@app.command(
    epilog="Examples: metaqore audit proof 019a… --json > proof.json, then: metaqore audit verify proof.json   |   "
    "metaqore audit proof 019a… 019b… --out proofs/"
)
def proof(
    receipts: Annotated[
        list[str],
        typer.Argument(
            metavar="RECEIPT",
            help="Receipts: their ids or their tokens.",
            autocompletion=door_completion.receipts,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write each proof into this directory, as <receipt>.proof.json.")
    ] = None,
    wait: Wait = 10.0,
    json_: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """What receipts stand for, with the proof that the log holds it."""
    with errors_told(json=json_), Client(connect()) as client:
        for receipt in receipts:
            promise = promised(receipt)
            found = fetch_proof(client, promise.id if promise else receipt, wait)
            if out is not None:
                out.mkdir(parents=True, exist_ok=True)
                file = out / f"{_as_name(found.receipt)}.proof.json"
                file.write_bytes(to_json(found) + b"\n")
                notes.print(f"[dim]{file}[/]", highlight=False)
            elif json_:
                print(to_json(found).decode())
            else:
                _show_proof(found)


def _as_name(receipt_id: str) -> str:
    """A receipt's id, which came from whoever sent the receipt, as the name of a file. Raises `receipt_invalid`."""
    try:
        return str(UUID(receipt_id))
    except ValueError as error:
        raise ReceiptError("receipt_invalid", "A receipt's id is a UUID; this one is none.") from error


def _show_proof(found: ReceiptProof) -> None:
    command = _is_command(found.decision.record)
    for name, part in (("command" if command else "decision", found.decision), ("outcome", found.outcome)):
        if part is None and command:
            continue
        if part is None:
            screen.print(f"[bold]{name}[/]: not written yet")
            continue
        screen.print(f"[bold]{name}[/]: leaf {part.index}, path of {len(part.path)}", highlight=False)
        screen.print_json(part.record.decode())
    screen.print("[bold]checkpoint[/]")
    screen.print(clean(found.decision.checkpoint), highlight=False, soft_wrap=True)


@app.command(
    epilog="Examples: metaqore audit verify 019a…   |   metaqore audit verify proof.json --key log.pub   |   "
    "metaqore audit verify --all"
)
def verify(
    receipts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECEIPT",
            help="Ids, tokens, or files that `audit proof` wrote.",
            autocompletion=door_completion.receipts,
        ),
    ] = None,
    all_: Annotated[
        bool,
        typer.Option("--all", help="Every record of your organization's log, and that it goes on from what it was."),
    ] = False,
    key: Key = None,
    wait: Wait = 10.0,
    json_: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Check that records are in the log, by a key pinned beforehand, never by one that came with the proof."""
    if all_ == bool(receipts):
        raise typer.BadParameter("Give receipts, or --all.")
    with errors_told(json=json_):
        result = _verified(receipts or [], trusted(key), wait, None if json_ else notes)
    _report(result, json_=json_)


def _verified(receipts: Sequence[str], trust: Trust, wait_s: float, progress: Console | None) -> Verified:
    """What holds of these receipts; without any, of the whole log."""
    if not receipts:
        connection = connect()
        seen = SeenLogs.read(run_directory().seen, connection.api_key)
        with Client(connection) as client:
            return verify_all(client, trust, seen, progress)
    result = Verified()
    for receipt in receipts:
        promise = promised(receipt)
        verify_receipt(_proof_of(receipt, promise, wait_s), trust, promise, result)
    return result


def promised(receipt: str) -> Receipt | None:
    """The receipt in a token; None for a bare id or a file, whose path may be as long as a token."""
    return parse_token(receipt) if len(receipt) > 200 and not _is_file(receipt) else None  # noqa: PLR2004 - above an id


def _is_file(receipt: str) -> bool:
    """Whether a file is there. A token is longer than a file's name may be, which the machine refuses to look for."""
    try:
        return Path(receipt).is_file()
    except OSError:
        return False


def fetch_proof(client: Client, receipt_id: str, wait_s: float) -> ReceiptProof:
    """The proof of a receipt with its outcome, as soon as the log has sealed it. A command has no outcome.

    Raises `receipt_not_sealed`, and `receipt_differs` where the answer is about another receipt.
    """
    deadline = time.monotonic() + wait_s
    while True:
        late = time.monotonic() >= deadline
        try:
            found = client.get_receipt(receipt_id)
        except MetaQoreError as error:
            if late or not error.retryable:
                raise
        else:
            if found.receipt_id != receipt_id:
                message = f"The mesh answered with the proof of {found.receipt_id}, which is not the one asked for."
                raise MetaQoreError("receipt_differs", message, kind=ErrorKind.UNPROCESSABLE)
            if late or found.HasField("outcome") or _is_command(found.decision.record):
                outcome = _record_proof(found.outcome) if found.HasField("outcome") else None
                return ReceiptProof(found.receipt_id, _record_proof(found.decision), outcome)
        time.sleep(RETRY_EVERY_S)


def _is_command(record: bytes) -> bool:
    """Whether the record, which nobody has verified yet, says that it is a command's."""
    try:
        return isinstance(parse_record(record), CommandRecord)
    except MetaQoreError:
        return False


def _proof_of(receipt: str, promise: Receipt | None, wait_s: float) -> ReceiptProof:
    if promise is None and _is_file(receipt):
        return from_json(Path(receipt).read_bytes())
    if promise is None and not is_uuid(receipt):
        message = f"{receipt!r} is neither a receipt's id or token, nor a file that is there."
        raise ReceiptError("receipt_invalid", message)
    with Client(connect()) as client:
        return fetch_proof(client, promise.id if promise else receipt, wait_s)


def _record_proof(proven: audit.ProvenRecord) -> RecordProof:
    return RecordProof(proven.record, proven.leaf_index, tuple(proven.inclusion_path), proven.checkpoint)


def _report(result: Verified, *, json_: bool) -> None:
    if json_:
        print_json(result.to_dict())
    else:
        for fault in result.faults:
            notes.print(f"[bold red]{clean(fault['code'])}[/]: {clean(fault['message'])}", highlight=False)
        unfinished = f", {result.without_outcome} of them still running" if result.without_outcome else ""
        colour = "red" if result.faults else "green"
        screen.print(
            f"[bold {colour}]verified[/] {result.verified} receipts, {result.records} records{unfinished}; "
            f"{len(result.faults)} faults.",
            highlight=False,
        )
    if result.faults:
        raise typer.Exit(1)


def _line(index: int, record: dict[str, Any]) -> str:
    when = datetime.fromtimestamp(record["time_us"] / 1e6, UTC).strftime("%m-%d %H:%M:%S")
    of = f"task {record['task']}" if "task" in record else f"{record['tool']} {record['verb']}"
    if record["kind"] != "outcome":
        colour = "green" if record["verdict"] == "permit" else "red"
        why = f"{record['sensitivity']} {', '.join(record['reasons'])}"
        what = f"[{colour}]{clean(record['verdict'])}[/] {clean(why)}"
    else:
        what = clean(f"{record['state']} {record['error'] or ''} {record['model'] or ''}".rstrip())
    return f"[dim]{index:>7} {when}[/] {clean(record['kind']):<8} {clean(of)}  {what}"
