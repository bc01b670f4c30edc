"""`metaqore task`: submit a task and look at those that were."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from metaqore.gateway.v1 import gateway_pb2 as gateway
from metaqore.psmp.v1 import work_pb2 as work
from metaqore_cli import completion, door_completion, finding
from metaqore_cli.client import Client
from metaqore_cli.connection import connect
from metaqore_cli.labels import Label
from metaqore_cli.names import SENSITIVITIES, enum_names, sensitivity_name, sensitivity_value, state_name
from metaqore_cli.options import Project
from metaqore_cli.output import (
    JSON_OPTION,
    WIDE,
    clean,
    error_dict,
    errors_told,
    notes,
    print_json,
    print_table,
    screen,
    standard_input,
)
from metaqore_cli.plain import plain
from metaqore_cli.psmp_tasks import list_tasks, tell_task
from metaqore_cli.shown import asking
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.receipts import parse_token

SEARCHED: Final = 1000
"""So many of the newest tasks may be named by the beginning of their id."""

app = typer.Typer(
    help="Submit tasks and look at them.",
    no_args_is_help=True,
    epilog='Examples: metaqore task submit "Hello"   |   metaqore task list   |   metaqore task show 019a02b9',
)


@app.command(
    epilog='Examples: metaqore task submit "What is a Merkle tree?"   |   metaqore task submit --stream '
    "--file prompt.txt   |   git diff | metaqore task submit --file - --sensitivity INTERNAL"
)
def submit(
    prompt: Annotated[str | None, typer.Argument(help="The question. Or give --file.")] = None,
    file: Annotated[Path | None, typer.Option(help="Take the prompt from this file; - is standard input.")] = None,
    model: Annotated[str, typer.Option(help="The model; the mesh's default where none is given.")] = "",
    stream: Annotated[bool, typer.Option("--stream", help="Show the answer while it is made.")] = False,
    sensitivity: Annotated[
        str | None,
        typer.Option(
            help="At least this sensitive: PUBLIC, INTERNAL, SENSITIVE or CRITICAL. It only ever raises.",
            autocompletion=lambda: SENSITIVITIES,
        ),
    ] = None,
    project: Project = "",
    propose_files: Annotated[
        bool, typer.Option("--propose-files", help="Propose the files in the answer as artifacts of the project.")
    ] = False,
    max_tokens: Annotated[int, typer.Option(help="The longest answer, in tokens; 0 is the mesh's default.", min=0)] = 0,
    json_: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Send a prompt through the mesh and print the answer, with its receipt."""
    request = gateway.SubmitTaskRequest(
        model=model,
        messages=[gateway.Message(role="user", content=_prompt(prompt, file))],
        sensitivity=sensitivity_value(sensitivity),
        project=project,
        max_tokens=max_tokens,
        stream=stream,
        propose_files=propose_files,
    )
    accepted, outcome, answer = gateway.Accepted(), gateway.Outcome(), []
    with errors_told(json=json_):
        connection = connect()
    with Client(connection) as client:
        submitted = client.submit_task(request)
        try:
            for response in submitted:
                match response.WhichOneof("event"):
                    case "accepted":
                        accepted = response.accepted
                    case "piece":
                        answer.append(response.piece.text)
                        if not json_:
                            print(response.piece.text, end="", flush=True)
                    case "outcome":
                        outcome = response.outcome
        except MetaQoreError as error:
            _tell_refused(error, submitted.receipt_token(), json_=json_)
            raise
    if json_:
        print_json(_submitted_dict(accepted, outcome, "".join(answer)))
    else:
        print()
        notes.print(
            f"[dim]task {accepted.task_id} {state_name(outcome.state)} · {sensitivity_name(accepted.sensitivity)} · "
            f"{outcome.model}, {outcome.prompt_tokens} + {outcome.completion_tokens} tokens, "
            f"{outcome.duration_us / 1e6:.2f} s · receipt {accepted.receipt_id}[/]",
            highlight=False,
        )
    if outcome.error_code:
        message = outcome.error_message or f"The task ended as {state_name(outcome.state)}."
        raise MetaQoreError(outcome.error_code, message)


def _tell_refused(error: MetaQoreError, token: str | None, *, json_: bool) -> None:
    """Shows the receipt of a task that was decided and got no answer; where nothing was decided, the error alone."""
    if token is None:
        if json_:
            print_json({"error": error_dict(error)})
        return
    receipt = parse_token(token)
    state = "denied" if error.kind is ErrorKind.FORBIDDEN else None
    if json_:
        print_json(
            {
                "task": receipt.task,
                "state": state,
                "receipt": receipt.id,
                "receipt_token": token,
                "answer": None,
                "error": error_dict(error),
            }
        )
    else:
        notes.print(f"[dim]task {receipt.task} {state or 'cut off'} · receipt {receipt.id}[/]", highlight=False)


def _submitted_dict(accepted: gateway.Accepted, outcome: gateway.Outcome, answer: str) -> dict[str, object]:
    return {
        "task": accepted.task_id,
        "state": state_name(outcome.state),
        "receipt": accepted.receipt_id,
        "receipt_token": accepted.receipt_token,
        "sensitivity": sensitivity_name(accepted.sensitivity),
        "sensitivity_sources": list(accepted.sensitivity_sources),
        "policy": accepted.policy,
        "model": outcome.model,
        "provider": outcome.provider,
        "tokens": {"prompt": outcome.prompt_tokens, "completion": outcome.completion_tokens},
        "duration_us": outcome.duration_us,
        "answer": answer,
        "error": {"code": outcome.error_code, "message": outcome.error_message} if outcome.error_code else None,
    }


@app.command(
    "list",
    epilog="Examples: metaqore task list --limit 5   |   metaqore task list --project garden   |   "
    "metaqore task list --project garden --state open",
)
def list_(
    project: Annotated[
        str | None,
        typer.Option(
            "--project",
            "-p",
            help="The tasks of this project: those that wait for an agent, and those that named it at a door.",
            autocompletion=completion.projects,
        ),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            help="Of a project, only those in this state.", autocompletion=lambda: enum_names(work.TaskState.DESCRIPTOR)
        ),
    ] = None,
    label: Label = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=100_000)] = 20,
    json_: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """The newest tasks that came through a door, or, with --project, --state or --label, those that a project knows."""
    if project is not None or state is not None or label:
        list_tasks(project or "", state, label, limit, json=json_)
        return
    with errors_told(json=json_), Client(connect()) as client:
        tasks = client.list_tasks(limit)
    if json_:
        print_json([task_dict(task) for task in tasks])
        return
    columns = 9 if screen.width >= WIDE else 4
    print_table(
        ("task", "state", "sensitivity", "model", "door", "tokens", "seconds", "when", "receipt")[:columns],
        (
            (
                task.id,
                state_name(task.state),
                sensitivity_name(task.sensitivity),
                task.model,
                task.door,
                f"{task.prompt_tokens} + {task.completion_tokens}" if task.HasField("completion_tokens") else "",
                f"{task.duration_us / 1e6:.2f}" if task.HasField("end_time") else "",
                task.create_time.ToDatetime().strftime("%m-%d %H:%M:%S"),
                task.receipt_id,
            )[:columns]
            for task in tasks
        ),
    )


@app.command(epilog='Examples: metaqore task show 019a02b9   |   metaqore task show "Write the notes" --project garden')
def show(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="Its id, or the beginning of it among the newest; of work that waits, its title, too.",
            autocompletion=door_completion.tasks,
        ),
    ],
    project: Project = "",
    json_: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """One task: what was decided and why, and how it ended; or who holds it, where it waits for an agent."""
    try:
        with Client(connect()) as client:
            task_id = task if finding.is_uuid(task) else _beginning_with(client, task)
            found = client.get_task(task_id)
    except MetaQoreError as error:
        if error.kind is not ErrorKind.NOT_FOUND:
            with errors_told(json=json_):
                raise
        _show_waiting(task, project, json_=json_)
        return
    shown = task_dict(found)
    if json_:
        print_json(shown)
        return
    for name, value in shown.items():
        if value not in (None, []):
            text = ", ".join(value) if isinstance(value, list) else str(value)
            screen.print(f"[bold]{name:>20}[/]  {clean(text)}", highlight=False, soft_wrap=True)


def _beginning_with(client: Client, text: str) -> str:
    known = [one.id for one in client.list_tasks(SEARCHED)]
    found = [one for one in known if one.startswith(text)]
    return finding.only("task", text, found, known, "metaqore task list")


def _show_waiting(task: str, project: str, *, json_: bool) -> None:
    with asking(json=json_) as client:
        id_ = task if finding.is_uuid(task) else finding.task_id(client, finding.project_id(client, project), task)
        waiting: work.Task = client.tasks.GetTask(work.GetTaskRequest(id=id_)).task
    if json_:
        print_json(plain(waiting))
    else:
        tell_task(waiting)


def task_dict(task: gateway.Task) -> dict[str, object]:
    """A task as plain values, with the names people use."""
    ended = task.HasField("end_time")
    return {
        "task": task.id,
        "organization": task.organization,
        "project": task.project or None,
        "state": state_name(task.state),
        "door": task.door,
        "caller": task.caller,
        "sensitivity": sensitivity_name(task.sensitivity),
        "sensitivity_sources": list(task.sensitivity_sources),
        "verdict": task.verdict,
        "reasons": list(task.reasons),
        "policy": task.policy,
        "policy_version": task.policy_version,
        "model": task.model,
        "provider": task.provider or None,
        "prompt_tokens": task.prompt_tokens if task.HasField("prompt_tokens") else None,
        "completion_tokens": task.completion_tokens if task.HasField("completion_tokens") else None,
        "attempts": task.attempts,
        "error": task.error_code or None,
        "created": task.create_time.ToJsonString(),
        "ended": task.end_time.ToJsonString() if ended else None,
        "duration_us": task.duration_us if ended else None,
        "receipt": task.receipt_id,
    }


def _prompt(prompt: str | None, file: Path | None) -> str:
    if (prompt is None) == (file is None):
        raise typer.BadParameter("Give a prompt or --file, one of the two.")
    if file is None:
        return prompt or ""
    try:
        return (standard_input() if str(file) == "-" else file.read_bytes()).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"The prompt cannot be read from {file}: {error}") from error
