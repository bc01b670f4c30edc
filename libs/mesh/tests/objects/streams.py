"""Streams of bytes, and rows that keep bodies."""

from metaqore_governance_core.records import Commitment

LIMIT = 3_000_000

ALTERED_ROWS = [
    {"organization": "org_b"},
    {"text": Commitment("0" * 64, "0" * 16, 4)},
    {"name": "bodies/org_a/other"},
    {"wrapped_key": b""},
]
"""What of a `Body` of `org_a` may have been altered: its key opens for none of them."""


async def stream(*chunks):
    for chunk in chunks:
        yield chunk


async def joined(chunks):
    return b"".join([chunk async for chunk in chunks])


class Rows:
    """What a service's table of bodies is to `Bodies`."""

    def __init__(self):
        self.kept = {}

    def keep(self, body):
        self.kept[body.organization, body.text] = body

    async def find(self, organization, text):
        return self.kept.get((organization, text))

    async def living(self, names):
        return {body.name for body in self.kept.values()} & set(names)

    def forgetting(self, body):
        async def forget():
            del self.kept[body.organization, body.text]

        return forget

    async def forget_nothing(self):
        """Stands for a row that was never written."""
