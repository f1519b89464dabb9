"""A backend of Attune on real HTTP that speaks the wire format and says, or breaks, what the test wrote down.

Its clock and its ids are fixed, so that pictures of it are the same every time. Started as a module it runs as a
process of its own, the way `attune serve` does: address and key in the home, a drain on SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from assistant import wire
from tests.fakes.gate import Gate
from tests.fakes.scripted_person import ScriptedPerson, answer

T = TypeVar("T")

KEY = "attune_scripted"
POLICY = "scripted"
NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends here, in the middle of the stream; what follows comes to who comes back for it."""


@dataclass(frozen=True, slots=True)
class Raw:
    """These bytes go on the wire as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The next message is answered with an error."""

    status: int
    code: str
    message: str
    retry_after: float | None = None


Step: TypeAlias = "str | Gate | Cut | Raw | wire.Event"
"""A piece of the reply, a point to wait at, a fault, or an event to send as it is."""


@dataclass
class _Left:
    """What is left to be said of a reply."""

    stream_id: str
    message: wire.Message
    steps: deque[Step]
    said: str = ""
    seq: int = 0
    number: int = 0
    """Of the last event."""

    def frame(self, event: wire.Event) -> str:
        self.number += 1
        return f"id: {self.number}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n"


CARD = wire.ResourceCard(
    country="US",
    message="If you might hurt yourself, please reach out now. You matter, and people are there to listen.",
    emergency=wire.Resource(name="Emergency", call="911"),
    lines=[
        wire.Resource(
            name="988 Suicide & Crisis Lifeline",
            call="988",
            text="988",
            chat="https://988lifeline.org",
            hours="24/7",
            languages=["en", "es"],
        )
    ],
)


@dataclass
class ScriptedBackend:
    """What it will say, and what it was told."""

    scripts: deque[tuple[Step, ...]] = field(default_factory=deque)
    refusals: deque[Refusal] = field(default_factory=deque)
    health: wire.Health = field(
        default_factory=lambda: wire.Health(
            status="ready", checks={"ledger": "ok"}, policy="Scripted replies. For tests."
        )
    )
    conversations: dict[str, wire.Conversation] = field(default_factory=dict)
    messages: dict[str, list[wire.Message]] = field(default_factory=dict)
    memories: dict[str, wire.Memory] = field(default_factory=dict)
    goes_along: dict[str, list[str]] = field(default_factory=dict)
    """Memories that go when the key goes."""
    sent: list[wire.NewMessage] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    edited: list[tuple[str, str]] = field(default_factory=list)
    """Messages that were said in other words, and the words."""
    feedback: dict[str, wire.NewFeedback] = field(default_factory=dict)
    reasons: dict[str, wire.Why] = field(default_factory=dict)
    """Why a reply was said, by its text."""
    person: ScriptedPerson = field(default_factory=ScriptedPerson)
    resumed: list[int] = field(default_factory=list)
    """After which event somebody came back."""
    countries: list[str | None] = field(default_factory=list)
    """For which the crisis lines were asked."""
    wrong_key: bool = False
    """Whether every key is refused from now on."""
    hang_on_cancel: bool = False
    page_size: int = 100
    starting: int = 0
    """So many times it says that something of it is still starting."""
    url: str = ""
    _stops: dict[str, asyncio.Event] = field(default_factory=dict)
    _left: dict[str, _Left] = field(default_factory=dict)
    _numbers: int = 0

    def say(self, *steps: Step) -> None:
        """Write down one more reply."""
        self.scripts.append(steps)

    def remember(self, text: str, quote: str, kind: str = "personal") -> wire.Memory:
        """Hold one more memory."""
        memory = wire.Memory(
            id=self._id("fact"),
            text=text,
            kind=kind,
            confidence=0.9,
            origin="stated",
            status="active",
            valid_from=NOON,
            evidence=[wire.Evidence(message_id="msg_1", quote=quote)],
        )
        self.memories[memory.id] = memory
        return memory

    def converse(self, title: str, *texts: str) -> wire.Conversation:
        """Hold one more conversation; the texts are the person's and Attune's in turn."""
        conversation = self._begin(title)
        for index, text in enumerate(texts):
            self._keep(conversation.id, "assistant" if index % 2 else "user", text)
        return conversation

    @property
    def app(self) -> Starlette:
        """The routes."""
        return Starlette(
            routes=[
                Route("/healthz", self._alive),
                Route("/readyz", self._ready),
                Route("/v1/conversations", self._conversations, methods=["GET", "POST"]),
                Route("/v1/conversations/{id}", self._conversation, methods=["GET", "PATCH", "DELETE"]),
                Route("/v1/conversations/{id}/messages", self._list, methods=["GET"]),
                Route("/v1/conversations/{id}/messages", self._send, methods=["POST"]),
                Route("/v1/streams/{id}", self._resume),
                Route("/v1/streams/{id}/cancel", self._cancel, methods=["POST"]),
                Route("/v1/messages/{id}/edit", self._edit, methods=["POST"]),
                Route("/v1/messages/{id}/regenerate", self._regenerate, methods=["POST"]),
                Route("/v1/messages/{id}/why", self._why),
                Route("/v1/messages/{id}/feedback", self._rate, methods=["PUT"]),
                Route("/v1/me/memories", self._memories, methods=["GET"]),
                Route("/v1/me/memories", self._add, methods=["POST"]),
                Route("/v1/me/memories/{id}", self._forget, methods=["DELETE"]),
                Route("/v1/me/memories/{id}", self._correct, methods=["PATCH"]),
                Route("/v1/safety/resources", self._resources),
                Route("/v1/me/memories/{id}/{review:str}", self._review, methods=["POST"]),
                *self.person.routes,
            ]
        )

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[ScriptedBackend]:
        """Answer on a free port of this machine, in this event loop."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            server = _Server(
                uvicorn.Config(self.app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
            )
            task = asyncio.create_task(server.serve([listening]))
            try:
                yield self
            finally:
                for stop in self._stops.values():
                    stop.set()
                server.should_exit = True
                await task

    # ---------------------------------------------------------------- routes

    async def _alive(self, request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def _ready(self, request: Request) -> Response:
        if self.starting > 0:
            self.starting -= 1
            return answer(
                wire.Health(status="starting", checks={"ledger": "ok", "embedder": "starting"}, policy=POLICY)
            )
        return answer(self.health, 503 if self.health.status == "unavailable" else 200)

    async def _conversations(self, request: Request) -> Response:
        if (refused := self._check(request)) is not None:
            return refused
        if request.method == "POST":
            wanted = wire.NewConversation.model_validate(await request.json())
            return answer(self._begin("", incognito=wanted.incognito), 201)
        archived, words = request.query_params.get("archived") == "true", request.query_params.get("q", "").split()
        listed = [
            c
            for c in self.conversations.values()
            if c.archived == archived
            and not c.incognito
            and all(any(w in t for t in (c.title, *(m.text for m in self.messages[c.id]))) for w in words)
        ]
        newest = sorted(listed, key=lambda c: c.updated_at, reverse=True)
        data, following = self._paged(newest, request)
        return answer(wire.ConversationPage(data=data, next_cursor=following))

    async def _conversation(self, request: Request) -> Response:
        conversation = self.conversations.get(request.path_params["id"])
        if conversation is None:
            return _error(404, "not_found", "no such conversation")
        if request.method == "DELETE":
            del self.conversations[conversation.id], self.messages[conversation.id]
            return Response(status_code=204)
        if request.method == "PATCH":
            change = wire.ConversationChange.model_validate(await request.json())
            conversation = conversation.model_copy(update=change.model_dump(exclude_none=True))
            self.conversations[conversation.id] = conversation
        return answer(conversation)

    async def _list(self, request: Request) -> Response:
        if (refused := self._check(request)) is not None:
            return refused
        held = self.messages[request.path_params["id"]]
        if request.query_params.get("newest") == "true":
            end = int(request.query_params.get("before", str(len(held))))
            begin = max(0, end - min(self.page_size, int(request.query_params["limit"])))
            return answer(wire.MessagePage(data=held[begin:end], previous_cursor=str(begin) if begin else None))
        data, following = self._paged(held, request)
        return answer(wire.MessagePage(data=data, next_cursor=following))

    async def _memories(self, request: Request) -> Response:
        if (refused := self._check(request)) is not None:
            return refused
        data, following = self._paged(list(self.memories.values()), request)
        return answer(wire.MemoryPage(data=data, next_cursor=following))

    async def _forget(self, request: Request) -> Response:
        wanted = request.path_params["id"]
        if wanted not in self.memories:
            return _error(404, "not_found", f"nothing of the id {wanted} is remembered")
        gone = [wanted, *self.goes_along.get(wanted, [])]
        dry_run = request.query_params.get("dry_run") == "true"
        if not dry_run:
            for id in gone:
                del self.memories[id]
        return answer(wire.Forgotten(id=wanted, forgotten=gone, dry_run=dry_run))

    async def _add(self, request: Request) -> Response:
        new = wire.NewMemory.model_validate(await request.json())
        return answer(self.remember(new.text, "", new.kind), 201)

    async def _correct(self, request: Request) -> Response:
        change = wire.MemoryChange.model_validate(await request.json())
        old = self.memories.pop(request.path_params["id"])
        new = self.remember(change.text, "", old.kind)
        for reply, why in self.reasons.items():
            facts = [f.model_copy(update={"id": new.id, "text": new.text}) if f.id == old.id else f for f in why.facts]
            self.reasons[reply] = why.model_copy(update={"facts": facts})
        return answer(new)

    async def _review(self, request: Request) -> Response:
        memory = self.memories[request.path_params["id"]]
        if request.path_params["review"] == "decline":
            del self.memories[memory.id]
        else:
            memory = self.memories[memory.id] = memory.model_copy(update={"review": "confirmed"})
        return answer(memory)

    async def _resources(self, request: Request) -> Response:
        self.countries.append(request.query_params.get("country"))
        return answer(CARD)

    async def _why(self, request: Request) -> Response:
        reply = self._message(request.path_params["id"])
        nothing = wire.Why(message_id=reply.id, recorded=True, policy_version=POLICY)
        return answer(self.reasons.get(reply.text, nothing).model_copy(update={"message_id": reply.id}))

    async def _rate(self, request: Request) -> Response:
        opinion = self.feedback[request.path_params["id"]] = wire.NewFeedback.model_validate(await request.json())
        return answer(wire.Feedback(rating=opinion.rating, reason=opinion.reason, updated_at=NOON))

    async def _cancel(self, request: Request) -> Response:
        self.cancelled.append(request.path_params["id"])
        if not self.hang_on_cancel:
            self._stops[request.path_params["id"]].set()
        return JSONResponse({"status": "stopping"}, 202)

    async def _send(self, request: Request) -> Response:
        if (refused := self._check(request)) is not None:
            return refused
        self.sent.append(wire.NewMessage.model_validate(await request.json()))
        if self.refusals:
            refusal = self.refusals.popleft()
            return _error(refusal.status, refusal.code, refusal.message, refusal.retry_after)
        message = self._keep(request.path_params["id"], "user", self.sent[-1].content)
        return self._replied(message)

    async def _edit(self, request: Request) -> Response:
        if (refused := self._check(request)) is not None:
            return refused
        before = self._message(request.path_params["id"])
        edit = wire.Edit.model_validate(await request.json())
        self.edited.append((before.id, edit.content))
        self._cut(before)
        return self._replied(self._keep(before.conversation_id, "user", edit.content))

    async def _regenerate(self, request: Request) -> Response:
        if (refused := self._check(request)) is not None:
            return refused
        reply = self._message(request.path_params["id"])
        kept = self.messages[reply.conversation_id]
        question = kept[kept.index(reply) - 1]
        self._cut(reply)
        return self._replied(question)

    async def _resume(self, request: Request) -> Response:
        left = self._left.pop(request.path_params["id"], None)
        if left is None:
            return _error(404, "not_found", "no running or recent stream")
        self.resumed.append(int(request.query_params["after"]))
        return StreamingResponse(self._stream(left), media_type="text/event-stream")

    def _replied(self, message: wire.Message) -> Response:
        script = self.scripts.popleft() if self.scripts else (f"You said: {message.text}",)
        left = _Left(self._id("str"), message, deque(script))
        self._stops[left.stream_id] = asyncio.Event()
        return StreamingResponse(self._stream(left), media_type="text/event-stream")

    # ---------------------------------------------------------------- one reply

    async def _stream(self, left: _Left) -> AsyncIterator[str]:
        """What is left of a reply, from its beginning or from where the connection was cut."""
        stop, conversation_id = self._stops[left.stream_id], left.message.conversation_id
        if not left.number:
            yield left.frame(
                wire.MessageCreated(message=left.message, stream_id=left.stream_id, conversation_id=conversation_id)
            )
        while left.steps:
            step = left.steps.popleft()
            if isinstance(step, Cut):
                if left.steps:
                    self._left[left.stream_id] = left
                raise ConnectionAbortedError
            if isinstance(step, Gate):
                await _first(step.passing(), stop.wait())
                if stop.is_set():
                    break
            elif isinstance(step, str):
                left.said, left.seq = left.said + step, left.seq + 1
                yield left.frame(wire.Delta(seq=left.seq, text=step))
            elif isinstance(step, Raw):
                yield step.text
            else:
                yield left.frame(step)
                if step.type in ("error", "message.retracted"):
                    return
        reply = self._keep(conversation_id, "assistant", left.said, stopped=stop.is_set())
        yield left.frame(wire.MessageCompleted(message=reply, policy_version=POLICY))

    # ---------------------------------------------------------------- what it holds

    def _check(self, request: Request) -> Response | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        self.keys.append(key or None)
        if scheme != "Bearer" or key != KEY or self.wrong_key:
            return _error(401, "invalid_api_key", "this API key is unknown or revoked")
        return None

    def _message(self, id: str) -> wire.Message:
        return next(message for kept in self.messages.values() for message in kept if message.id == id)

    def _cut(self, message: wire.Message) -> None:
        """Leave a message and all after it."""
        kept = self.messages[message.conversation_id]
        del kept[kept.index(message) :]

    def _begin(self, title: str, *, incognito: bool = False) -> wire.Conversation:
        now = self._now()
        conversation = wire.Conversation(
            id=self._id("conv"), title=title, created_at=now, updated_at=now, incognito=incognito
        )
        self.conversations[conversation.id] = conversation
        self.messages[conversation.id] = []
        return conversation

    def _keep(self, conversation_id: str, role: str, text: str, *, stopped: bool = False) -> wire.Message:
        message = wire.Message.model_validate(
            {
                "id": self._id("msg"),
                "conversation_id": conversation_id,
                "role": role,
                "text": text,
                "created_at": self._now(),
                "status": "partial" if stopped else "complete",
            }
        )
        self.messages[conversation_id].append(message)
        before = self.conversations[conversation_id]
        self.conversations[conversation_id] = before.model_copy(
            update={"title": before.title or text[:60], "updated_at": message.created_at}
        )
        return message

    def _paged(self, all_of_it: list[T], request: Request) -> tuple[list[T], str | None]:
        begin = int(request.query_params.get("cursor", "0"))
        end = begin + self.page_size
        return all_of_it[begin:end], str(end) if end < len(all_of_it) else None

    def _id(self, prefix: str) -> str:
        self._numbers += 1
        return f"{prefix}_{self._numbers:04}"

    def _now(self) -> datetime:
        return NOON + timedelta(minutes=self._numbers)


class _Server(uvicorn.Server):
    """Ends as soon as it is told to: uvicorn looks ten times a second whether it was."""

    async def main_loop(self) -> None:
        """Look more often."""
        await self.on_tick(0)
        while not self.should_exit:  # noqa: ASYNC110 - a flag of uvicorn's
            await asyncio.sleep(0.01)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the test."""
        yield


async def _first(*waiting: Coroutine[None, None, object]) -> None:
    tasks = [asyncio.create_task(one) for one in waiting]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _error(status: int, code: str, message: str, retry_after: float | None = None) -> Response:
    body = wire.ErrorBody(message=message, type="error", code=code, request_id="req_1", retry_after=retry_after)
    return answer(wire.ErrorEnvelope(error=body), status)


async def _run(home: Path, backend: ScriptedBackend, linger_s: float) -> None:
    """Run as `attune serve` does; the time to finish is `linger_s`."""
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave.set)
    (home / "owner.key").write_text(KEY + "\n", encoding="utf-8")
    async with backend.serve():
        (home / "backend.json").write_text(json.dumps({"url": backend.url, "pid": os.getpid()}), encoding="utf-8")
        await leave.wait()
        await asyncio.sleep(linger_s)
        (home / "told.json").write_text(json.dumps([message.content for message in backend.sent]), encoding="utf-8")
        (home / "backend.json").unlink()


def main() -> None:
    """Serve from `ATTUNE_HOME` until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--linger", type=float, default=0.0, help="seconds to finish what it was told")
    parser.add_argument("--starting", type=int, default=0, help="times that it says it is still starting")
    parser.add_argument("--die", default="", help="words to leave with, before serving")
    options = parser.parse_args()
    if options.die:
        sys.exit(options.die)
    asyncio.run(_run(Path(os.environ["ATTUNE_HOME"]), ScriptedBackend(starting=options.starting), options.linger))


if __name__ == "__main__":
    main()
