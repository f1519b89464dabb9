"""Messages and streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from assistant import sse, wire
from assistant.auth import PersonId, Runtimes
from assistant.errors import AttuneError, InvalidRequestError, NotFoundError, error_from
from assistant.runtime import Runtime
from assistant.shown import wire_message
from assistant.submission import Submission
from assistant.submit import submit
from assistant.turns import Turn
from memory.ledger.feedback import Opinion
from memory.types import Message

router = APIRouter(tags=["messages"])

Cursor = Annotated[str | None, Query(max_length=100)]
Limit = Annotated[int, Query(ge=1, le=200)]
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=255)]


@router.get("/v1/conversations/{conversation_id}/messages")
async def list_messages(
    conversation_id: str,
    runtime: Runtimes,
    person: PersonId,
    cursor: Cursor = None,
    limit: Limit = 100,
    leaf: Annotated[wire.Text | None, Query(max_length=128)] = None,
    newest: bool = False,
    before: Cursor = None,
) -> wire.MessagePage:
    """List the messages of a conversation, oldest first; `leaf`, any message, follows the branch through it.

    `newest` begins with the page at its end; `before`, the `previous_cursor` of a page, goes on towards its beginning.
    """
    if cursor is not None and (newest or before is not None):
        raise InvalidRequestError("cursor goes on, before goes back: pass one of them", param="cursor")
    book = runtime.ledger.messages
    if newest or before is not None:
        messages, previous = await book.before(person, conversation_id, before, limit=limit, leaf=leaf)
        return wire.MessagePage(data=await read_messages(runtime, person, messages), previous_cursor=previous)
    messages, following = await book.list(person, conversation_id, after=cursor, limit=limit, leaf=leaf)
    return wire.MessagePage(data=await read_messages(runtime, person, messages), next_cursor=following)


@router.post("/v1/conversations/{conversation_id}/messages", response_model=wire.Reply, responses=sse.MAY_STREAM)
async def send_message(
    conversation_id: str,
    body: wire.NewMessage,
    runtime: Runtimes,
    person: PersonId,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> wire.Reply | StreamingResponse:
    """Send a message; the reply comes whole, or as events with `stream: true`."""
    conversation = await runtime.ledger.conversations.get(person, conversation_id)
    name = body.client_message_id or by_header(idempotency_key)
    turn = await submit(runtime, Submission(person, conversation, body.content, name, parent_id=body.parent_id))
    return await replied(runtime, turn, response, stream=body.stream)


@router.get("/v1/streams/{stream_id}", response_model=None, responses=sse.MAY_STREAM)
async def resume_stream(
    stream_id: str, runtime: Runtimes, person: PersonId, after: Annotated[int, Query(ge=0)] = 0
) -> StreamingResponse:
    """Follow a running or just finished turn from the event after number `after`."""
    return streamed(_turn(runtime, person, stream_id), runtime.config.server.ping_s, after=after)


@router.post("/v1/streams/{stream_id}/cancel", status_code=202)
async def cancel_stream(stream_id: str, runtime: Runtimes, person: PersonId) -> dict[str, str]:
    """Ask a running turn to stop and keep what it has; of a finished one nothing changes."""
    turn = _turn(runtime, person, stream_id)
    turn.stop.set()
    return {"status": "finished" if turn.done else "stopping"}


def by_header(idempotency_key: str | None) -> str | None:
    """The name of a submission whose client named it in the header `Idempotency-Key`."""
    return f"idem:{idempotency_key}" if idempotency_key else None


async def replied(runtime: Runtime, turn: Turn, response: Response, *, stream: bool) -> wire.Reply | StreamingResponse:
    """A turn as it was asked for, with what the person has left of their limits in the headers of `response`."""
    left = runtime.limits.headers(turn.person_id)
    if stream:
        return streamed(turn, runtime.config.server.ping_s, headers=left)
    reply = await whole_reply(turn)
    response.headers.update({**left, "server-timing": server_timing(reply)})
    return reply


def server_timing(reply: wire.Reply) -> str:
    """When each step of a turn was done, as the header that browsers show."""
    return ", ".join(f"{step.replace('_', '-')};dur={ms:.1f}" for step, ms in reply.timings.items())


def streamed(
    turn: Turn, ping_s: float, *, after: int = 0, headers: Mapping[str, str] = MappingProxyType({})
) -> StreamingResponse:
    """A turn as server-sent events."""
    return StreamingResponse(
        sse.frames(turn.follow(after), ping_s), media_type="text/event-stream", headers={**sse.HEADERS, **headers}
    )


async def read_messages(runtime: Runtime, person: str, messages: Sequence[Message]) -> list[wire.Message]:
    """Messages of one conversation with their variants and what the person thinks of them."""
    variants = await runtime.ledger.messages.variants(person, messages)
    opinions = await runtime.ledger.feedback.many(person, [m.id for m in messages if m.role == "assistant"])
    return [
        wire_message(message).model_copy(
            update={"variants": list(variants[message.id]), "feedback": wire_feedback(opinions.get(message.id))}
        )
        for message in messages
    ]


def wire_feedback(opinion: Opinion | None) -> wire.Feedback | None:
    """A stored opinion as clients see it."""
    if opinion is None:
        return None
    return wire.Feedback(
        rating=opinion.rating, reason=opinion.reason, better=opinion.better, updated_at=opinion.updated_at
    )


async def whole_reply(turn: Turn) -> wire.Reply:
    """Wait for a turn and return its reply.

    Raises:
        AttuneError: the turn ended in an error.
    """
    seen: dict[str, wire.Event] = {}
    notices: list[str] = []
    async for _, event in turn.follow():
        seen[event.type] = event
        if isinstance(event, wire.Notice):
            notices.append(event.text)
    created, completed = seen.get("message.created"), seen.get("message.completed")
    failed, context, safety = seen.get("error"), seen.get("context.used"), seen.get("safety")
    if isinstance(failed, wire.StreamError):
        raise error_from(failed.error.code, failed.error.message, failed.error.retry_after)
    if not isinstance(created, wire.MessageCreated) or not isinstance(completed, wire.MessageCompleted):
        raise AttuneError("the turn ended without a reply")
    return wire.Reply(
        message=completed.message,
        user_message=created.message,
        usage=completed.usage,
        policy_version=completed.policy_version,
        context=context if isinstance(context, wire.ContextUsed) else None,
        safety=safety if isinstance(safety, wire.Safety) else None,
        notices=notices,
        timings=completed.timings,
        finish_reason=completed.finish_reason,
    )


def _turn(runtime: Runtimes, person: str, stream_id: str) -> Turn:
    turn = runtime.turns.get(person, stream_id)
    if turn is None:
        raise NotFoundError(f"no running or recent stream {stream_id!r}")
    return turn
