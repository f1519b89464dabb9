"""The OpenAI-compatible surface: any OpenAI client works by changing its base URL.

The history a client sends is used as sent; only the newest user turn is stored. A client that names no conversation is
matched to the one whose turns it sends back; otherwise a new one begins.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.responses import JSONResponse, StreamingResponse

from assistant import sse, wire
from assistant.auth import Identified, Runtimes, identify, person_for
from assistant.erasing import forget
from assistant.errors import InvalidRequestError, ModelNotFoundError
from assistant.models.door import Sampling
from assistant.openai_told import Told
from assistant.openai_wire import (
    ChatCompletionRequest,
    ChatMessage,
    Completion,
    Model,
    Models,
    chunk,
    completion,
    refuse_unsupported,
)
from assistant.routes.chat import IdempotencyKey, by_header, server_timing, whole_reply
from assistant.runtime import Runtime
from assistant.safety.screen import Screen, screen
from assistant.submission import Submission
from assistant.submit import admit, content_key, found_again, submit
from assistant.turns import Turn
from memory.errors import NotFoundError
from memory.ledger.going import Target
from memory.types import Conversation, Message, Role

router = APIRouter(prefix="/v1", tags=["openai"])

MODEL = "attune"


@router.get("/models", dependencies=[Depends(identify)])
async def models() -> Models:
    """List the one model that is served."""
    return Models(data=[Model(id=MODEL)])


@router.post("/chat/completions", response_model=None, responses={200: {"model": Completion, **sse.MAY_STREAM[200]}})
async def chat_completions(
    body: ChatCompletionRequest,
    runtime: Runtimes,
    identity: Identified,
    x_user_id: Annotated[str | None, Header(max_length=256)] = None,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse | StreamingResponse:
    """Answer the newest user message."""
    if body.model != MODEL:
        raise ModelNotFoundError(f"no model {body.model!r}; this server offers {MODEL!r}", param="model")
    person = await person_for(runtime, identity, x_user_id or body.safety_identifier or body.user)
    refuse_unsupported(body)
    newest, earlier = body.messages[-1], body.messages[:-1]
    if newest.role != "user" or not newest.text.strip():
        raise InvalidRequestError("the last message must be the user's and not blank", param="messages")
    said = [m for m in earlier if m.role in ("user", "assistant")]
    turn, opened = await _begin(runtime, person, body, newest.text, said, by_header(idempotency_key))
    left = runtime.limits.headers(person)
    created = int(datetime.now(UTC).timestamp())
    if body.stream:
        usage = body.stream_options is not None and body.stream_options.include_usage
        pieces = _stream(runtime, turn, created, usage, opened)
        return StreamingResponse(pieces, media_type="text/event-stream", headers={**sse.HEADERS, **left})
    reply = await whole_reply(turn)
    told = Told()
    async for _, event in turn.follow():
        told.take(event)
    text = f"{reply.message.text}{told.resources}"
    await opened.end(runtime, reply.message, text)
    metadata = {"conversation_id": told.conversation_id, "policy_version": reply.policy_version}
    answer = completion(
        reply.message.id, created, text, _usage(reply.usage), metadata, reply.finish_reason, told.field()
    )
    return JSONResponse(answer, headers={**left, "server-timing": server_timing(reply)})


class _Thread:
    """What the client sent back of a conversation, so that its next request finds the conversation again."""

    def __init__(self, person_id: str, turns: Sequence[tuple[str, str]], newest: str, *, store: bool) -> None:
        self.person_id = person_id
        self.before = content_key(*(part for turn in turns for part in turn))
        self.key = content_key("openai", self.before, newest)
        self._turns = [*turns, ("user", newest)]
        self._store = store

    async def screened(self) -> Screen:
        """The newest message in the light of the person's earlier ones."""
        *earlier, newest = [text for role, text in self._turns if role == "user"]
        return screen(newest, earlier[-4:])

    async def end(self, runtime: Runtime, reply: wire.Message, sent: str) -> None:
        """Note what the client will send back next time, `sent`; of a turn that is not stored, delete everything."""
        if not self._store:
            with suppress(NotFoundError):  # the same request, sent again, may have been answered before
                await forget(runtime, self.person_id, Target("conversation", (reply.conversation_id,)))
            return
        after = content_key(*(part for turn in [*self._turns, ("assistant", sent)] for part in turn))
        await runtime.ledger.conversations.set_thread(self.person_id, reply.conversation_id, after)


async def _begin(
    runtime: Runtime,
    person: str,
    body: ChatCompletionRequest,
    newest: str,
    earlier: Sequence[ChatMessage],
    name: str | None,
) -> tuple[Turn, _Thread]:
    """Start the turn, or find the one that the same request started: the same by `name`, else by all that was said."""
    metadata = body.metadata
    store = metadata is None or metadata.store
    thread = _Thread(person, [(m.role, m.text) for m in earlier], newest, store=store)
    if metadata is not None and metadata.conversation_id is not None and not store:
        raise InvalidRequestError("store is false: leave out conversation_id", param="metadata.store")
    named = "" if metadata is None else metadata.conversation_id or ""
    content = content_key(named, thread.key)
    key = content if name is None else content_key("openai", name)
    async with runtime.turns.one_at_a_time(f"thread:{person}"):
        same = await found_again(runtime, person, key, content)
        if same is not None:
            return same, thread
        conversation = await _conversation(runtime, person, body, thread, name, new=not earlier or not store)
        history = tuple(_unstored(conversation, m) for m in earlier) if earlier else None
        limit = body.max_completion_tokens or body.max_tokens
        stops = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
        sampling = Sampling(body.temperature, body.top_p, seed=body.seed, stop=stops)
        submission = Submission(
            person,
            conversation,
            newest,
            name,
            history=history,
            instructions="\n\n".join(m.text for m in body.messages if m.role in ("system", "developer")),
            memory=metadata.memory if metadata else "on",
            sampling=sampling if limit is None else replace(sampling, max_tokens=limit),
        )
        return await submit(runtime, submission, key, content), thread


async def _conversation(
    runtime: Runtime, person: str, body: ChatCompletionRequest, thread: _Thread, name: str | None, *, new: bool
) -> Conversation:
    if body.metadata is not None and body.metadata.conversation_id is not None:
        return await runtime.ledger.conversations.get(person, body.metadata.conversation_id)
    before = name and await runtime.ledger.messages.find_client_message(person, None, name)
    if before:
        return await runtime.ledger.conversations.get(person, before.conversation_id)
    found = None if new else await runtime.ledger.conversations.find_thread(person, thread.before)
    if found is None:
        # Asked here too, or each refused message would leave an empty conversation.
        await admit(runtime, person, thread.screened)
    stored = body.metadata is None or body.metadata.store
    return found or await runtime.ledger.conversations.create(person, incognito=not stored)


def _unstored(conversation: Conversation, sent: ChatMessage) -> Message:
    role: Role = "assistant" if sent.role == "assistant" else "user"
    return Message("", conversation.id, conversation.person_id, None, role, sent.text, datetime.now(UTC))


async def _stream(
    runtime: Runtime, turn: Turn, created: int, include_usage: bool, thread: _Thread
) -> AsyncIterator[str]:
    """The turn as chunks: what is known of it first, its words, what is taken back or added, and the end.

    Nothing can be unsaid on this protocol: of a reply that failed its screen, the replacement follows the words, and
    `finish_reason` is `content_filter`. An error becomes a frame of its own, and ends the stream.
    """
    told, sent, usage, finish_reason = Told(), "", wire.Usage(), "stop"
    started = False

    def piece(delta: dict[str, str], reason: str | None = None, *, telling: bool = False) -> str:
        return _data(chunk(turn.id, created, delta, reason, told.field() if telling else None))

    async for item in sse.with_pings(turn.follow(), runtime.config.server.ping_s):
        if item is None:
            yield ": ping\n\n"
            continue
        event = item[1]
        told.take(event)
        if isinstance(event, wire.StreamError):
            yield _data({"error": event.error.model_dump()})
            return
        if not started and isinstance(event, wire.Delta | wire.MessageCompleted):
            started = True
            yield piece({"role": "assistant", "content": ""}, telling=True)
        more = _more(event)
        if more:
            sent += more
            yield piece({"content": more})
        if isinstance(event, wire.MessageCompleted):
            usage, finish_reason = event.usage, "content_filter" if told.retracted else event.finish_reason
            sent += told.resources
            await thread.end(runtime, event.message, sent)
    if told.resources:
        yield piece({"content": told.resources})
    yield piece({}, finish_reason, telling=True)
    if include_usage:
        yield _data({**chunk(turn.id, created, {}), "choices": [], "usage": _usage(usage)})
    yield "data: [DONE]\n\n"


def _more(event: wire.Event) -> str:
    """The words that an event adds to the reply."""
    if isinstance(event, wire.MessageRetracted):
        return f"\n\n{event.replacement}"
    return event.text if isinstance(event, wire.Delta) else ""


def _usage(usage: wire.Usage) -> dict[str, int]:
    prompt, spoken = usage.prompt_tokens or 0, usage.completion_tokens or 0
    return {"prompt_tokens": prompt, "completion_tokens": spoken, "total_tokens": prompt + spoken}


def _data(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
