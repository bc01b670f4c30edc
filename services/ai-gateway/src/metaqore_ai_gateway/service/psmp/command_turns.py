"""Whose turn it is: commands of one project follow each other, those of different projects do not wait."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Turn:
    """A place in the order. It comes once all before it have ended; end it, whatever happens."""

    before: tuple[asyncio.Future[bool], ...]
    ended: asyncio.Future[bool]

    async def come(self) -> bool:
        """Wait for those before. False where one of them was not done: then this one must not go ahead of it."""
        if self.before:
            await asyncio.wait(self.before)
        return all(one.result() for one in self.before)

    def end(self, *, done: bool) -> None:
        """Let those behind go on, or tell them to stay behind."""
        if not self.ended.done():
            self.ended.set_result(done)


@dataclass(slots=True)
class Turns:
    """The order of some commands, as they are told one after another.

    A command that names no project, since what it is sent to says where that is, may be for any of its organization: it
    follows all of them, and all follow it.
    """

    _last: dict[tuple[str, str], asyncio.Future[bool]] = field(default_factory=dict)
    _barrier: dict[str, asyncio.Future[bool]] = field(default_factory=dict)

    def next(self, organization: str, project: str | None) -> Turn:
        """The next turn in `project`; in any of the organization's where that is None."""
        ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        barrier = self._barrier.get(organization)
        before = [] if barrier is None else [barrier]
        if project is None:
            ours = [key for key in self._last if key[0] == organization]
            before += [self._last.pop(key) for key in ours]
            self._barrier[organization] = ended
        else:
            last = self._last.get((organization, project))
            if last is not None:
                before.append(last)
            self._last[organization, project] = ended
        return Turn(tuple(before), ended)
