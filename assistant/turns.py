"""Running turns: one producer of events, any number of listeners, who may come late or come back.

A turn belongs to one person and goes on for a moment when nobody listens, so that a client whose connection broke can
come back to it; after that it is asked to stop. Finished turns are kept for the duplicate window, so that a request
that is sent again is answered with the turn it started. All of this lives in one process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from weakref import WeakValueDictionary

from assistant.shown import storage_failed
from assistant.wire import Event, StreamError
from memory.errors import MemoryLayerError

log = logging.getLogger(__name__)

Produce = Callable[[str, asyncio.Event], AsyncIterator[Event]]
"""Makes the events of the turn with this stream id, until the event is set: then it stops and keeps what it has."""


class Turn:
    """The events of one turn so far, numbered from 1."""

    def __init__(
        self,
        id: str,
        person_id: str,
        conversation_id: str,
        produce: Produce,
        disconnect_grace_s: float,
        content: str = "",
        over: Callable[[], None] = lambda: None,
    ) -> None:
        self.id = id
        self.person_id = person_id
        self.conversation_id = conversation_id
        self.produce = produce
        self.content = content
        """What was submitted, as a digest; empty where nothing can be held against it."""
        self.stop = asyncio.Event()
        self._over = over
        self._events: list[Event] = []
        self._changed = asyncio.Event()
        self._listeners = 0
        self._grace_s = disconnect_grace_s
        self._goodbye: asyncio.TimerHandle | None = None
        self._error: Exception | None = None
        self._unkept = False
        """Whether the storage failed, so that nothing of the reply is kept."""
        self._task = asyncio.create_task(self._run(), name=f"turn {id}")

    @property
    def done(self) -> bool:
        """Whether the turn has ended, well or not."""
        return self._task.done()

    @property
    def failed(self) -> bool:
        """Whether the turn broke, or ended in an error without a word of reply, so that trying again is right."""
        kinds = [event.type for event in self._events]
        broke = self._error is not None or self._unkept
        return self.done and (broke or ("error" in kinds and "delta" not in kinds))

    async def follow(self, after: int = 0) -> AsyncIterator[tuple[int, Event]]:
        """Yield the events after number `after`, waiting for those to come, until the turn ends.

        Raises:
            Exception: what ended the turn, if it failed on something that is no event.
        """
        self._arrive()
        try:
            position = after
            while True:
                changed = self._changed
                while position < len(self._events):
                    position += 1
                    yield position, self._events[position - 1]
                if self._task.done():
                    break
                await changed.wait()
            if self._error is not None:
                raise self._error
        finally:
            self._leave()

    async def ended(self) -> None:
        """Wait until the turn has ended; never raises what ended it."""
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            async for event in self.produce(self.id, self.stop):
                self._events.append(event)
                self._signal()
        except MemoryLayerError:
            self._unkept = True
            self._events.append(StreamError(error=storage_failed()))
            log.exception("the storage failed in a turn", extra={"turn": self.id})
        except Exception as error:
            self._error = error
            log.exception("turn failed", extra={"turn": self.id})
        finally:
            self._over()
            asyncio.get_running_loop().call_soon(self._signal)

    def _signal(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _arrive(self) -> None:
        self._listeners += 1
        if self._goodbye is not None:
            self._goodbye.cancel()
            self._goodbye = None

    def _leave(self) -> None:
        self._listeners -= 1
        if self._listeners == 0 and not self._task.done():
            self._goodbye = asyncio.get_running_loop().call_later(self._grace_s, self.stop.set)


class Turns:
    """The turns of this process, by stream id and by what makes two submissions the same."""

    def __init__(self, keep_s: float, disconnect_grace_s: float) -> None:
        self._keep_s = keep_s
        self._grace_s = disconnect_grace_s
        self._by_id: dict[str, Turn] = {}
        self._by_key: dict[tuple[str, str], Turn] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def one_at_a_time(self, person_id: str) -> asyncio.Lock:
        """The lock under which this person's submissions are looked up, stored and started."""
        return self._locks.setdefault(person_id, asyncio.Lock())

    def start(
        self,
        stream_id: str,
        person_id: str,
        conversation_id: str,
        key: str,
        produce: Produce,
        *,
        content: str = "",
        over: Callable[[], None] = lambda: None,
    ) -> Turn:
        """Start a turn, findable by its stream id and by (`person_id`, `key`); `over` is called when it has ended."""
        turn = Turn(stream_id, person_id, conversation_id, produce, self._grace_s, content, over)
        self._by_id[stream_id] = turn
        self._by_key[person_id, key] = turn
        turn._task.add_done_callback(lambda _: self._forget_later(turn, key))
        return turn

    def get(self, person_id: str, stream_id: str) -> Turn | None:
        """Find a turn of this person."""
        turn = self._by_id.get(stream_id)
        return turn if turn is not None and turn.person_id == person_id else None

    def same(self, person_id: str, key: str) -> Turn | None:
        """Find the running or recently finished turn of the same submission."""
        return self._by_key.get((person_id, key))

    def running(self, conversation_id: str | None = None, *, person_id: str | None = None) -> list[Turn]:
        """The turns that have not ended: of one conversation, of one person, or of all."""
        return [
            turn
            for turn in self._by_id.values()
            if not turn.done and conversation_id in (None, turn.conversation_id) and person_id in (None, turn.person_id)
        ]

    def conversations(self, person_id: str) -> set[str]:
        """The conversations in which this person has a turn that runs or is kept."""
        return {turn.conversation_id for turn in self._by_id.values() if turn.person_id == person_id}

    async def end(self, conversation_id: str) -> None:
        """Stop the turns of a conversation, wait until each has kept what it has, and forget them."""
        for turn in self.running(conversation_id):
            turn.stop.set()
            await turn.ended()
        for id in [id for id, turn in self._by_id.items() if turn.conversation_id == conversation_id]:
            del self._by_id[id]
        for key in [key for key, turn in self._by_key.items() if turn.conversation_id == conversation_id]:
            del self._by_key[key]

    async def drain(self, deadline_s: float) -> None:
        """Let running turns end by themselves until the deadline, then ask them to stop and keep what they have."""
        for stopping in (False, True):
            running = self.running()
            if stopping:
                for turn in running:
                    turn.stop.set()
            if running:
                await asyncio.wait([turn._task for turn in running], timeout=deadline_s)

    def _forget_later(self, turn: Turn, key: str) -> None:
        def forget() -> None:
            self._by_id.pop(turn.id, None)
            if self._by_key.get((turn.person_id, key)) is turn:
                del self._by_key[turn.person_id, key]

        turn._task.get_loop().call_later(self._keep_s, forget)
