"""The wall around each organization's rows, and the running of SQL that is written as one text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from alembic import op

_WALL = """
alter table {table} enable row level security;

alter table {table} force row level security;

create policy own_organization on {table}
    using (organization = current_setting('metaqore.organization', true) and organization <> '')
    with check (organization = current_setting('metaqore.organization', true) and organization <> '');
"""


def walls(tables: Iterable[str]) -> Iterator[str]:
    """What lets each table show the rows of the transaction's organization alone, to its owner too."""
    return (_WALL.format(table=table) for table in tables)


def run(texts: Iterable[str]) -> None:
    """Every statement by itself, as the driver takes them; they stand apart by an empty line."""
    for text in texts:
        for statement in text.split(";\n\n"):
            op.execute(statement.replace(":", r"\:").replace(r"\:\:", "::"))
