"""`metaqore key`: the API keys of an organization."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

from metaqore.gateway.v1 import gateway_pb2 as gateway
from metaqore_cli import door_completion
from metaqore_cli.client import Client
from metaqore_cli.connection import connect
from metaqore_cli.output import JSON_OPTION, clean, errors_told, flush_output, notes, print_json, print_table
from metaqore_governance_core.errors import MetaQoreError

SCOPES = [
    *("tasks:submit", "tasks:read", "audit:read", "psmp:read", "psmp:write"),
    *("psmp:mode", "psmp:erase", "keys:admin", "mesh:admin"),
]

app = typer.Typer(
    help="Create, list and revoke API keys (needs the scope keys:admin).",
    no_args_is_help=True,
    epilog="Examples: metaqore key create billing-agent   |   metaqore key list",
)


@app.command(
    epilog="Examples: metaqore key create billing-agent   |   metaqore key create auditor --scope audit:read   |   "
    "metaqore key create rita --scope psmp:read --scope psmp:write --scope role:reviewer   |   "
    "metaqore key create first-agent --organization new"
)
def create(
    caller: Annotated[str, typer.Argument(help="The name of the agent or person that will use the key.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help=f"May be given more than once: {', '.join(SCOPES)}, and role:<name> for a role of PSMP, such as "
            "role:reviewer. Without it: the first five.",
            autocompletion=lambda: SCOPES,
        ),
    ] = None,
    organization: Annotated[
        str, typer.Option(help="Your own where none is given; `new` makes one (needs mesh:admin).")
    ] = "",
    json_: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Make a key. Its secret is shown this once; the mesh keeps only its SHA-256.

    Where the secret cannot be written, the key is revoked again.
    """
    with errors_told(json=json_), Client(connect()) as client:
        made = client.create_key(caller, scope or [], organization)
        try:
            _write_secret(made, json_=json_)
        except OSError as error:
            raise _taken_back(client, made.key, error) from error
    if json_:
        return
    notes.print(
        f"[dim]key {made.key.id} for {clean(made.key.caller)} of {made.key.organization}: "
        f"{clean(', '.join(made.key.scopes))}. Keep the secret now, it is not shown again.[/]",
        highlight=False,
    )


def _write_secret(made: gateway.CreateKeyResponse, *, json_: bool) -> None:
    """Raises `OSError` where it reaches nobody."""
    if sys.stdout is None:  # closed beforehand: Python would print to nowhere, and say nothing
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    if json_:
        print_json(key_dict(made.key) | {"secret": made.secret})
    else:
        print(made.secret)
    flush_output()


def _taken_back(client: Client, key: gateway.ApiKey, why: OSError) -> MetaQoreError:
    """What to say of a key whose secret nobody has, once it was revoked or could not be."""
    unseen = f"The secret of the key {key.id} could not be written ({why.strerror})"
    try:
        client.revoke_key(key.id)
    except MetaQoreError as error:
        todo = f"The key still holds, for revoking it failed: {error.message} Run: metaqore key revoke {key.id}"
        return MetaQoreError("secret_not_written", f"{unseen}. {todo}")
    return MetaQoreError("secret_not_written", f"{unseen}, so the key was revoked. Make another that can be shown.")


@app.command("list", epilog="Example: metaqore key list")
def list_(json_: Annotated[bool, JSON_OPTION] = False) -> None:
    """Every key of your organization, the revoked ones too."""
    with errors_told(json=json_), Client(connect()) as client:
        keys = client.list_keys()
    if json_:
        print_json([key_dict(key) for key in keys])
        return
    print_table(
        ("key", "caller", "scopes", "created", "revoked"),
        (
            (
                key.id,
                clean(key.caller),
                clean(", ".join(key.scopes)),
                key.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M"),
                key.revoke_time.ToDatetime().strftime("%Y-%m-%d %H:%M") if key.HasField("revoke_time") else "",
            )
            for key in keys
        ),
    )


@app.command(epilog="Example: metaqore key revoke key_…")
def revoke(
    key_id: Annotated[
        str,
        typer.Argument(metavar="KEY", help="The key's id (not its secret).", autocompletion=door_completion.keys),
    ],
    json_: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """End a key. It is refused within about a second."""
    with errors_told(json=json_), Client(connect()) as client:
        key = client.revoke_key(key_id)
    if json_:
        print_json(key_dict(key))
    else:
        notes.print(f"[dim]key {key.id} of {clean(key.caller)} is revoked.[/]", highlight=False)


def key_dict(key: gateway.ApiKey) -> dict[str, object]:
    """A key as plain values."""
    return {
        "key": key.id,
        "organization": key.organization,
        "caller": key.caller,
        "scopes": list(key.scopes),
        "created": key.create_time.ToJsonString(),
        "revoked": key.revoke_time.ToJsonString() if key.HasField("revoke_time") else None,
    }
