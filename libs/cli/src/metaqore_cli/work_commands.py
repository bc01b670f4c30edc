"""`metaqore task open|describe|claim|release|start|complete|fail|cancel`: work that waits for an agent."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from metaqore.psmp.v1 import work_pb2 as pb
from metaqore_cli import completion, finding
from metaqore_cli.labels import Label, NoLabels, label_list, labels_or_none
from metaqore_cli.moments import ago, duration_us
from metaqore_cli.options import Changing, Making, Project, grouped
from metaqore_cli.output import clean
from metaqore_cli.psmp_tasks import task_state
from metaqore_cli.shown import answered, asking, tell_next

app = typer.Typer()

TaskId = Annotated[
    str,
    typer.Argument(metavar="TASK", help="Its id, the beginning of it, or its title.", autocompletion=completion.tasks),
]


@app.command("open", epilog='Example: metaqore task open "Write the release notes" --project garden')
@grouped
def open_(
    title: Annotated[str, typer.Argument(help="What is to be done, for a person.")],
    how: Making,
    project: Project = "",
    description: Annotated[str, typer.Option("--description", "-d", help="More about it, for a person.")] = "",
    label: Label = None,
) -> None:
    """Record a task that waits for an agent; it runs nothing. To run one at once: metaqore task submit."""
    with asking(json=how.json) as client:
        ask = how.ask(
            pb.OpenTaskRequest,
            project_id=finding.project_id(client, project),
            title=title,
            description=description,
            labels=label_list(label),
        )
        done = client.tasks.OpenTask(ask)
    if answered(how, done, f"the task {clean(done.task.id)}", "is", "open") and not how.dry_run:
        tell_next("an agent takes it", f"metaqore task claim {done.task.id}")


@app.command(epilog="Example: metaqore task describe 019a… --title 'Write them in two languages' --label team=docs")
@grouped
def describe(
    task: TaskId,
    how: Changing,
    project: Project = "",
    title: Annotated[
        str | None, typer.Option(help="What is to be done; its holder's to change while it is held.")
    ] = None,
    description: Annotated[str | None, typer.Option("--description", "-d", help="More about it.")] = None,
    label: Label = None,
    no_labels: NoLabels = False,
) -> None:
    """Change title, description and labels; what is not given stays. Given labels replace all that were there."""
    with asking(json=how.json) as client:
        ask = how.ask(
            pb.UpdateTaskRequest,
            id=finding.task_id(client, finding.project_id(client, project), task),
            title=title,
            description=description,
            labels=labels_or_none(label, none=no_labels),
        )
        done = client.tasks.UpdateTask(ask)
    answered(how, done, f"the task [bold]{clean(done.task.title)}[/]", "is", "described anew")


@app.command(epilog="Example: metaqore task claim 019a… --lease 30m   |   again before its end, to hold it longer")
@grouped
def claim(
    task: TaskId,
    how: Changing,
    project: Project = "",
    lease: Annotated[str, typer.Option(help="For how long, as 30m or 2h.")] = "30m",
) -> None:
    """Take a task for a time. When the lease is over, it is open again, and what ran is interrupted."""
    with asking(json=how.json) as client:
        id_ = finding.task_id(client, finding.project_id(client, project), task)
        ask = how.ask(pb.ClaimTaskRequest, id=id_, lease_us=duration_us(lease))
        done = client.tasks.ClaimTask(ask)
    lease = f"under a lease that ends {ago(done.task.lease_time)}"
    answered(how, done, clean(done.task.holder), "holds", f"the task {clean(id_)} {lease}")


@app.command(epilog="Example: metaqore task release 019a…")
@grouped
def release(task: TaskId, how: Changing, project: Project = "") -> None:
    """Give a claim back."""
    _step("ReleaseTask", pb.ReleaseTaskRequest, task, project, how)


@app.command(epilog="Example: metaqore task start 019a…")
@grouped
def start(task: TaskId, how: Changing, project: Project = "") -> None:
    """Begin a task that you hold."""
    _step("StartTask", pb.StartTaskRequest, task, project, how)


@app.command(epilog="Example: metaqore task complete 019a…")
@grouped
def complete(task: TaskId, how: Changing, project: Project = "") -> None:
    """End a task that you hold and began: it is done."""
    _step("CompleteTask", pb.CompleteTaskRequest, task, project, how)


@app.command(epilog="Example: metaqore task fail 019a… --error tests_fail")
@grouped
def fail(
    task: TaskId,
    how: Changing,
    error: Annotated[str, typer.Option(help="Why it could not be done: a code, as tests_fail.")],
    project: Project = "",
) -> None:
    """End a task that you hold and began: it could not be done."""
    _step("FailTask", pb.FailTaskRequest, task, project, how, error=error)


@app.command(epilog="Example: metaqore task cancel 019a… --error superseded")
@grouped
def cancel(
    task: TaskId,
    how: Changing,
    error: Annotated[str, typer.Option(help="Why nobody wants it any more: a code.")] = "cancelled",
    project: Project = "",
) -> None:
    """End a task that nobody wants any more."""
    _step("CancelTask", pb.CancelTaskRequest, task, project, how, error=error)


def _step(call: str, request: type[Any], task: str, project: str, how: Changing, **fields: str) -> None:
    with asking(json=how.json) as client:
        id_ = finding.task_id(client, finding.project_id(client, project), task)
        done = getattr(client.tasks, call)(how.ask(request, id=id_, **fields))
    answered(how, done, f"the task {clean(id_)}", "is", task_state(done.task.state))
