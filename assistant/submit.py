"""From a submission to its turn: the same one twice is one turn, and a conversation answers one message at a time.

Sameness by the client's own message id holds across restarts and backends, because the ledger keeps it; so does one
answer at a time, through a lock that goes with its process. Sameness by content holds for the duplicate window within
one process, and so do the limits.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from assistant import wire
from assistant.errors import AttuneError, ConflictError, TooLargeError
from assistant.runtime import Runtime
from assistant.safety.screen import Screen
from assistant.shown import wire_message
from assistant.submission import Stored, Submission
from assistant.turns import Produce, Turn
from memory.ids import new_id
from memory.types import Conversation, Message, Recollection, Settings


class TurnRunningError(ConflictError):
    """Another message of this conversation is being answered."""

    code = "turn_running"


@dataclass(frozen=True, slots=True)
class _Request:
    """What makes a turn, before anything of it is stored."""

    person_id: str
    conversation_id: str
    key: str
    content: str
    """A digest of what is asked for; a key that comes back with another one is refused."""
    screened: Callable[[], Awaitable[Screen]]
    begin: Callable[[], Awaitable[Produce]]
    while_running: bool = False
    """Whether the same request is the same turn only while that runs."""


def content_key(*parts: str) -> str:
    """What makes two submissions the same when the client gave no id of its own."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


async def submit(runtime: Runtime, submission: Submission, key: str | None = None, content: str = "") -> Turn:
    """Store the message and start its turn, or find the turn that the same submission already started.

    Raises:
        TooLargeError: the message is over its limit.
        TurnRunningError: another message of this conversation is being answered.
        ConflictError: `key`, or the client's message id, was used for another submission.
        RateLimitedError: the person sends too much.
    """
    if len(submission.text.encode()) > wire.MAX_MESSAGE_BYTES:
        raise TooLargeError(
            f"a message may have {wire.MAX_MESSAGE_BYTES} bytes at most: send it in parts", param="content"
        )
    conversation_id = submission.conversation.id
    if key is None:
        place = "root" if submission.as_root else submission.parent_id or ""
        content = content_key("text", place, submission.text)
        key = content_key(conversation_id, submission.client_message_id or content)
    return await _start(
        runtime,
        _Request(
            submission.person_id,
            conversation_id,
            key,
            content,
            screened=lambda: runtime.inbox.at_first(submission),
            begin=lambda: _first(runtime, submission),
        ),
    )


async def regenerate(runtime: Runtime, conversation: Conversation, message: Message, name: str | None) -> Turn:
    """Start a turn that gives a stored message another reply; `name` is the client's own for this request.

    Without a name, asking again is the same turn while that runs, and another reply afterwards.

    Raises:
        TurnRunningError: another message of this conversation is being answered.
        RateLimitedError: the person asks too often.
    """

    async def again() -> Stored:
        return await runtime.inbox.taken_up(conversation, message)

    async def begin() -> Produce:
        stored = await again()
        return lambda stream_id, stop: runtime.chat.answer(stored, stream_id, stop)

    async def screened() -> Screen:
        return (await again()).screen

    return await _start(
        runtime,
        _Request(
            message.person_id,
            conversation.id,
            content_key("regenerate", message.id, name or ""),
            content="",
            screened=screened,
            begin=begin,
            while_running=name is None,
        ),
    )


async def admit(runtime: Runtime, person_id: str, screened: Callable[[], Awaitable[Screen]]) -> None:
    """Return when the person may send a message; in a crisis they always may.

    Raises:
        RateLimitedError: they send too much.
        ModelBusyError: too many replies wait for the model already.
    """
    refusal: AttuneError | None = runtime.limits.refusal(person_id, len(runtime.turns.running(person_id=person_id)))
    refusal = refusal or runtime.line.refusal(len(runtime.turns.running()))
    if refusal is not None and not (await screened()).crisis:
        raise refusal


async def found_again(runtime: Runtime, person_id: str, key: str, content: str = "") -> Turn | None:
    """The turn of the same submission; where it ended without a word, the stored message is answered once more.

    Raises:
        ConflictError: the key was used for something else.
        TurnRunningError: it has to be answered once more, and another message of its conversation is being answered.
    """
    same = runtime.turns.same(person_id, key)
    if same is None:
        return None
    if same.content != content:
        raise ConflictError("this client_message_id or Idempotency-Key was used for another request: choose another")
    if not same.failed:
        return same
    _require_quiet(runtime, same.conversation_id)
    async with _alone(runtime, same.conversation_id) as over:
        return runtime.turns.start(
            new_id("str"), person_id, same.conversation_id, key, same.produce, content=content, over=over
        )


async def _start(runtime: Runtime, request: _Request) -> Turn:
    person_id, conversation_id = request.person_id, request.conversation_id
    async with runtime.turns.one_at_a_time(person_id):
        same = await found_again(runtime, person_id, request.key, request.content)
        if same is not None and not (request.while_running and same.done):
            return same
        _require_quiet(runtime, conversation_id)
        await admit(runtime, person_id, request.screened)
        async with _alone(runtime, conversation_id) as over:
            produce = await request.begin()
            runtime.limits.count(person_id)
            return runtime.turns.start(
                new_id("str"), person_id, conversation_id, request.key, produce, content=request.content, over=over
            )


@asynccontextmanager
async def _alone(runtime: Runtime, conversation_id: str) -> AsyncIterator[Callable[[], None]]:
    """Hold the conversation against other backends; what is yielded gives it back, as leaving with an error does.

    Raises:
        TurnRunningError: another backend answers a message of this conversation.
    """
    if not await runtime.peers.take(conversation_id):
        raise TurnRunningError("another message of this conversation is being answered", retry_after=1)
    give = partial(runtime.peers.give, conversation_id)
    try:
        yield give
    except BaseException:
        give()
        raise


def _require_quiet(runtime: Runtime, conversation_id: str) -> None:
    if runtime.turns.running(conversation_id):
        raise TurnRunningError("another message of this conversation is being answered", retry_after=1)


async def _first(runtime: Runtime, submission: Submission) -> Produce:
    """Store the message, recalling what it calls up meanwhile, and return what makes the events of its turn."""
    recalling: asyncio.Task[Recollection] | None = None

    def begin(settings: Settings, message_id: str) -> None:
        nonlocal recalling
        recalling = asyncio.create_task(runtime.chat.recollect(submission, settings, message_id), name="recall")

    try:
        stored = await runtime.inbox.store(submission, begin)
    except BaseException:
        if recalling is not None:
            recalling.cancel()
        raise
    fresh = stored.created
    if not fresh and recalling is not None:
        recalling.cancel()

    async def produce(stream_id: str, stop: asyncio.Event) -> AsyncIterator[wire.Event]:
        nonlocal fresh, recalling
        # Good for the first answer only: by the next, something may have been forgotten.
        recalled, recalling = recalling if fresh else None, None
        reply = None
        if not fresh:  # it may have been answered before, here or by another backend
            reply = await runtime.ledger.messages.reply_to(submission.person_id, stored.message.id)
        fresh = False
        answering = runtime.chat.answer(stored, stream_id, stop, recalled)
        events = answering if reply is None else _replay(stored, reply, stream_id)
        async for event in events:
            yield event

    return produce


async def _replay(stored: Stored, reply: Message, stream_id: str) -> AsyncIterator[wire.Event]:
    """The events of a turn that ended before, from what was stored of it."""
    explanation = reply.explanation or {}
    yield wire.MessageCreated(
        message=wire_message(stored.message), stream_id=stream_id, conversation_id=reply.conversation_id
    )
    yield wire.Delta(seq=1, text=reply.text)
    yield wire.MessageCompleted(
        message=wire_message(reply), policy_version=explanation.get("policy_version", ""), timings={}
    )
