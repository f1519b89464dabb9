"""One message: another reply to it, other words in its place, what the person thinks of it, and why it was said."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from assistant import sse, wire
from assistant.auth import PersonId, Runtimes
from assistant.erasing import forget
from assistant.errors import ConflictError
from assistant.routes.chat import IdempotencyKey, by_header, read_messages, replied
from assistant.runtime import Runtime
from assistant.submission import Submission
from assistant.submit import regenerate, submit
from assistant.why import why
from memory.ledger.going import Target
from memory.types import Message

router = APIRouter(prefix="/v1/messages", tags=["messages"])


@router.get("/{message_id}")
async def get(message_id: str, runtime: Runtimes, person: PersonId) -> wire.Message:
    """Return one message."""
    [message] = await read_messages(runtime, person, [await runtime.ledger.messages.get(person, message_id)])
    return message


@router.delete("/{message_id}")
async def forget_message(message_id: str, runtime: Runtimes, person: PersonId, dry_run: bool = False) -> wire.Receipt:
    """Forget one message with its replies and what was learned from nothing else; what was said next stays."""
    return await forget(runtime, person, Target("message", (message_id,)), dry_run=dry_run)


@router.post("/{message_id}/regenerate", response_model=wire.Reply, responses=sse.MAY_STREAM)
async def regenerate_reply(
    message_id: str,
    runtime: Runtimes,
    person: PersonId,
    response: Response,
    body: wire.Regenerate | None = None,
    idempotency_key: IdempotencyKey = None,
) -> wire.Reply | StreamingResponse:
    """Give a message of the person, or the one that a reply answers, another reply beside those it has."""
    question = await _question(runtime, person, message_id)
    conversation = await runtime.ledger.conversations.get(person, question.conversation_id)
    turn = await regenerate(runtime, conversation, question, idempotency_key)
    return await replied(runtime, turn, response, stream=body is not None and body.stream)


@router.post("/{message_id}/edit", response_model=wire.Reply, responses=sse.MAY_STREAM)
async def edit(
    message_id: str,
    body: wire.Edit,
    runtime: Runtimes,
    person: PersonId,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> wire.Reply | StreamingResponse:
    """Say something else in place of a message: a new message beside it, with a reply of its own."""
    message = await runtime.ledger.messages.get(person, message_id)
    if message.role != "user":
        raise ConflictError("only the person's own messages can be edited; a reply can be regenerated")
    submission = Submission(
        person,
        await runtime.ledger.conversations.get(person, message.conversation_id),
        body.content,
        body.client_message_id or by_header(idempotency_key),
        parent_id=message.parent_id,
        as_root=message.parent_id is None,
    )
    return await replied(runtime, await submit(runtime, submission), response, stream=body.stream)


@router.put("/{message_id}/feedback")
async def put_feedback(message_id: str, body: wire.NewFeedback, runtime: Runtimes, person: PersonId) -> wire.Feedback:
    """Say what the person thinks of a reply, in place of what they said before."""
    opinion = await runtime.ledger.feedback.put(person, message_id, body.rating, body.reason, body.better)
    return wire.Feedback(
        rating=opinion.rating, reason=opinion.reason, better=opinion.better, updated_at=opinion.updated_at
    )


@router.get("/{message_id}/why")
async def explain(message_id: str, runtime: Runtimes, person: PersonId) -> wire.Why:
    """Return what a reply was made from, and what of it is known no more."""
    return await why(runtime.ledger, await runtime.ledger.messages.get(person, message_id))


async def _question(runtime: Runtime, person: str, message_id: str) -> Message:
    """The person's message that is meant: the one named, or the one that the reply named answers."""
    message = await runtime.ledger.messages.get(person, message_id)
    if message.role == "assistant" and message.parent_id is not None:
        message = await runtime.ledger.messages.get(person, message.parent_id)
    if message.role != "user":
        raise ConflictError("this reply answers no message, so that there is nothing to answer again")
    return message
