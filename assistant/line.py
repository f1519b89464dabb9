"""The waiting line before the model: so many replies at once, the rest in turn, person by person.

Fair by person, not by message: whoever waits with five messages waits no shorter than who waits with one. A message in
a crisis goes first and is never refused. The line is bounded; what would make it longer is refused before it is stored.
It holds for this process; a cluster's model server queues what all its backends let through.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from assistant.errors import ModelError

_FIRST_GUESS_S = 5.0
_LONGEST_S = 60.0
_NEWEST_COUNTS = 0.2
"""How much the newest reply counts in the running average of how long replies take."""


class ModelBusyError(ModelError):
    """The waiting line is full; nothing was stored, and trying again later is right."""

    code = "model_busy"


class Line:
    """Who speaks with the model and who waits for it."""

    def __init__(self, at_once: int, longest: int) -> None:
        """At most `at_once` replies are being spoken, and `longest` more may wait."""
        self._at_once = at_once
        self._longest = longest
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._people: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._reply_s = _FIRST_GUESS_S
        self.speaking = 0
        """Replies that are being spoken."""

    @property
    def waiting(self) -> int:
        """Replies that wait for their turn."""
        return len(self._urgent) + sum(map(len, self._people.values()))

    def refusal(self, running: int) -> ModelBusyError | None:
        """Return why no further turn may begin while `running` have; None if one may."""
        if running < self._at_once + self._longest:
            return None
        seconds = math.ceil(min(_LONGEST_S, max(1.0, self._reply_s * (self.waiting + 1) / self._at_once)))
        return ModelBusyError(
            f"{self.waiting} replies wait for the model already: try again in about {seconds} s; nothing was stored",
            retry_after=seconds,
        )

    @asynccontextmanager
    async def place(self, person_id: str, stop: asyncio.Event, *, urgent: bool = False) -> AsyncIterator[bool]:
        """Wait for a place and hold it while inside; yields False, without one, when `stop` was set first."""
        if not await self._come(person_id, stop, urgent):
            yield False
            return
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            yield True
        finally:
            self._reply_s += _NEWEST_COUNTS * (loop.time() - started - self._reply_s)
            self._leave()

    async def _come(self, person_id: str, stop: asyncio.Event, urgent: bool) -> bool:
        if self.speaking < self._at_once:
            self.speaking += 1
            return True
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._urgent if urgent else self._people.setdefault(person_id, deque())
        queue.append(mine)
        stopped = asyncio.ensure_future(stop.wait())
        either: set[asyncio.Future[Any]] = {mine, stopped}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._give_up(person_id, queue, mine)
            raise
        finally:
            stopped.cancel()
        if stop.is_set():
            self._give_up(person_id, queue, mine)
        return not stop.is_set()

    def _give_up(self, person_id: str, queue: deque[asyncio.Future[None]], mine: asyncio.Future[None]) -> None:
        """Leave without having spoken: out of the line, or out of the place that came at the same moment."""
        if mine.done():
            self._leave()
            return
        mine.cancel()
        queue.remove(mine)
        if not queue and queue is self._people.get(person_id):
            del self._people[person_id]

    def _leave(self) -> None:
        """Hand the place to whoever is next."""
        following = self._next()
        if following is None:
            self.speaking -= 1
        else:
            following.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        if self._urgent:
            return self._urgent.popleft()
        if not self._people:
            return None
        person_id, queue = self._people.popitem(last=False)
        following = queue.popleft()
        if queue:
            self._people[person_id] = queue  # at the end: everybody else who waits comes first
        return following
