"""The rows of texts, as both who keeps a text for versions to come and who brings one with its version write them."""

from __future__ import annotations

from typing import Any, Final

from metaqore_ai_gateway.service.psmp.new_body import NewBody

_COLUMNS: Final = "digest, key_id, size_bytes, name, wrapped_key, sealed, sensitivity"
_TYPES: Final = ("text", "text", "bigint", "text", "bytea", "bytea", "smallint")

LOCK_BODIES: Final = """
select from psmp_bodies
where organization = $1 and (digest = any ($2::text[]) or digest = any ($3::text[]) and not is_used)
order by digest for no key update
"""
"""For who brings texts and is the first to name others: all in order, before the rows of either are written."""

ERASE_BODIES: Final = """
with erased as materialized (
    select digest from psmp_bodies
    where organization = $1 and digest = any ($2::text[]) and wrapped_key is not null order by digest for update
)
update psmp_bodies set wrapped_key = null, sealed = null, erased_at = now(), erased_name = name
where organization = $1 and digest in (select digest from erased)
"""
"""Destroys the keys of these texts, and with them what is in their rows, once no version that names them is under way.

The lock is more than the statement needs: only so does it wait for those who saw the key alive (`for key share`).
"""


def keep_bodies(first: int, *, used: bool) -> str:
    """The statement that keeps texts of the organization `$1`; their columns are the parameters from `first` on.

    Another object for the same text takes the place of the former, which is lost or is the slower of two that came
    together. One that was erased never comes back, by whoever had its key in hand.
    """
    arrays = ", ".join(f"${first + at}::{type_}[]" for at, type_ in enumerate(_TYPES))
    return f"""
insert into psmp_bodies as known (organization, {_COLUMNS}, is_used)
select $1, given.*, {used} from unnest({arrays}) as given ({_COLUMNS})
order by given.digest
on conflict (organization, digest) do update set
    key_id = excluded.key_id, size_bytes = excluded.size_bytes, name = excluded.name,
    wrapped_key = excluded.wrapped_key, sealed = excluded.sealed, kept_at = now(), erased_at = null,
    sensitivity = greatest(known.sensitivity, excluded.sensitivity), is_used = known.is_used or excluded.is_used
where known.erased_name is distinct from excluded.name
returning digest
"""  # noqa: S608 - constants only


def row_of(body: NewBody) -> tuple[Any, ...]:
    """A text that comes with its version, as its columns."""
    return (
        body.digest,
        body.key_id,
        body.size_bytes,
        body.name,
        body.wrapped_key,
        body.sealed,
        body.sensitivity,
    )
