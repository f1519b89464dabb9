"""An OpenAI-compatible server on real HTTP whose answers, and failures, are written by the test.

It speaks HTTP/1.1 over asyncio directly, so that it can also break the protocol: hang, cut, garble. It counts and
records every request and knows when a client went away.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, TypeAlias

from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import Answer, Raw, Scripted, Silence, error, reply

Say: TypeAlias = "Scripted | Callable[[Recorded], Scripted]"


class Recorded:
    """One request as it arrived, and what became of it."""

    def __init__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.json: dict[str, Any] = json.loads(body) if body else {}
        self.disconnected = asyncio.Event()
        """Set when the client closes the connection before the answer is complete."""
        self.finished = asyncio.Event()
        """Set when the answer was sent completely."""


class _Connection(asyncio.StreamReaderProtocol):
    """The reading side of a connection, which knows when the client is gone."""

    def __init__(self, server: ScriptedServer) -> None:
        reader = asyncio.StreamReader()
        super().__init__(reader, self._connected)
        self.reader = reader
        self.gone = asyncio.Event()
        self._server = server

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._server.serve(self, writer)

    def eof_received(self) -> bool | None:
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        super().connection_lost(exc)


class _GoneError(Exception):
    """The client closed the connection."""


class ScriptedServer:
    """Use as `async with ScriptedServer() as server`, and point a client at `server.base_url`.

    Chat requests are answered by `answers` in turn and then by `default`. A request with a `response_format` is
    answered by `structured` while that is set.
    """

    def __init__(
        self,
        *answers: Say,
        models: Iterable[str] = ("scripted",),
        owned_by: str = "vllm",
        api_key: str | None = None,
        default: Say | None = None,
        structured: str | Callable[[dict[str, Any]], str] | None = None,
        formats: Iterable[str] = ("json_schema", "json_object"),
        takes_loras: bool = False,
    ) -> None:
        self.answers: deque[Say] = deque(answers)
        self.models = list(models)
        self.owned_by = owned_by
        self.api_key = api_key
        self.default: Say = default or reply("I hear you.")
        self.structured = structured
        self.formats = set(formats)
        """The types of `response_format` it accepts; others are refused with 400."""
        self.takes_loras = takes_loras
        """Whether adapters can be loaded while it runs."""
        self.on_models: Scripted | None = None
        """While set, what GET /v1/models answers."""
        self.requests: list[Recorded] = []
        self.port = 0
        self._arrived = asyncio.Condition()
        self._listener: asyncio.Server | None = None
        self._serving: set[asyncio.Task[Any]] = set()

    @property
    def base_url(self) -> str:
        """The address to configure, with `/v1`."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[Recorded]:
        """The chat requests, oldest first."""
        return [request for request in self.requests if request.path == "/v1/chat/completions"]

    async def chat(self, n: int = 0) -> Recorded:
        """Wait until the `n`th chat request (from 0) has arrived."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.chats) > n)
        return self.chats[n]

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def listen(self) -> None:
        """Accept connections (again), on the same port as before."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Refuse new connections; what is being answered goes on."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def serve(self, connection: _Connection, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until it ends."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while (request := await _read(connection.reader)) is not None:
                async with self._arrived:
                    self.requests.append(request)
                    self._arrived.notify_all()
                try:
                    goes_on = await _Exchange(self, request, connection, writer).answer()
                except (_GoneError, ConnectionError):
                    request.disconnected.set()
                    return
                request.finished.set()
                if not goes_on:
                    return
        except asyncio.CancelledError:
            pass
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    def choose(self, request: Recorded) -> Scripted:
        """Return what this request is answered."""
        if self.api_key is not None and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return error(401, "Incorrect API key provided.", code="invalid_api_key")
        if request.path == "/v1/models":
            data = [{"id": name, "object": "model", "owned_by": self.owned_by} for name in self.models]
            return self.on_models or Raw(json.dumps({"object": "list", "data": data}).encode())
        if request.path in ("/v1/load_lora_adapter", "/v1/unload_lora_adapter") and self.takes_loras:
            return self._change_lora(request)
        if request.path != "/v1/chat/completions":
            return error(404, "Not Found")
        if request.json.get("model") not in self.models:
            return error(404, "The model does not exist.", code="model_not_found")
        wanted = request.json.get("response_format")
        if wanted is not None and wanted["type"] not in self.formats:
            return error(400, f"response_format type {wanted['type']} is not supported")
        if wanted is not None and self.structured is not None:
            return reply(self.structured(request.json) if callable(self.structured) else self.structured)
        say = self.answers.popleft() if self.answers else self.default
        return say(request) if callable(say) else say

    def _change_lora(self, request: Recorded) -> Scripted:
        """Load or unload an adapter as vLLM does, which refuses a name that is there already."""
        name = request.json["lora_name"]
        if request.path.startswith("/v1/unload"):
            self.models.remove(name)
        elif name in self.models:
            return error(400, f"The lora adapter '{name}' has already been loaded.")
        else:
            self.models.append(name)
        return Raw(b"Success", content_type="text/plain")


async def _read(reader: asyncio.StreamReader) -> Recorded | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    method, path, _ = first.split(" ", 2)
    return Recorded(method, path, headers, body)


class _Exchange:
    """The answer to one request, byte by byte."""

    def __init__(
        self, server: ScriptedServer, request: Recorded, connection: _Connection, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._request = request
        self._gone = connection.gone
        self._writer = writer

    async def answer(self) -> bool:
        """Send the answer; return whether the connection can take another request."""
        say = self._server.choose(self._request)
        if isinstance(say, Silence):
            if not say.drop:
                await self._gone.wait()
                raise _GoneError
            return False
        if isinstance(say, Raw):
            await self._head(say.status, say.content_type, {"Content-Length": str(len(say.body)), **say.headers})
            await self._send(say.body)
            return not say.close
        if self._request.json.get("stream"):
            return await self._stream(say)
        return await self._whole(say)

    async def _whole(self, say: Answer) -> bool:
        text = ""
        for piece in say.pieces:
            text += await self._piece(piece, say)
        if say.ending == "hang":
            await self._gone.wait()
            raise _GoneError
        message = {"role": "assistant", "content": text}
        if say.reasoning:
            message[say.reasoning_field] = "".join(say.reasoning)
        choice = {"index": 0, "message": message, "finish_reason": say.finish_reason}
        body = json.dumps({"object": "chat.completion", "choices": [choice], "usage": _usage(say)}).encode()
        await self._head(200, "application/json", {"Content-Length": str(len(body))})
        if say.ending == "cut":
            await self._send(body[: len(body) // 2])
            return False
        await self._send(body)
        return True

    async def _stream(self, say: Answer) -> bool:
        await self._head(200, "text/event-stream", {"Transfer-Encoding": "chunked"})
        await self._delta({"role": "assistant", "content": ""})
        for thought in say.reasoning:
            await self._delta({say.reasoning_field: thought})
        for piece in say.pieces:
            text = await self._piece(piece, say)
            if text:
                await self._delta({"content": text})
        if say.ending == "hang":
            await self._gone.wait()
            raise _GoneError
        if say.ending == "cut":
            return False
        await self._delta({}, say.finish_reason)
        if (self._request.json.get("stream_options") or {}).get("include_usage"):
            await self._event(json.dumps({"object": "chat.completion.chunk", "choices": [], "usage": _usage(say)}))
        if say.ending == "done":
            await self._event("[DONE]")
        await self._send(b"0\r\n\r\n")
        return True

    async def _piece(self, piece: str | Gate, say: Answer) -> str:
        if say.delay_s:
            await self._unless_gone(asyncio.sleep(say.delay_s))
        if isinstance(piece, Gate):
            await self._unless_gone(piece.passing())
            return ""
        return piece

    async def _unless_gone(self, waiting: Any) -> None:
        tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(self._gone.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        if self._gone.is_set():
            raise _GoneError

    async def _delta(self, delta: dict[str, str], finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        await self._event(json.dumps({"object": "chat.completion.chunk", "choices": [choice]}))

    async def _event(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        await self._send(f"{len(event):x}\r\n".encode() + event + b"\r\n")

    async def _head(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {content_type}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self._send("\r\n".join([*lines, "", ""]).encode())

    async def _send(self, data: bytes) -> None:
        if self._gone.is_set():
            raise _GoneError
        self._writer.write(data)
        with contextlib.suppress(ConnectionResetError):
            await self._writer.drain()
        await asyncio.sleep(0)


def _usage(say: Answer) -> dict[str, int]:
    prompt, completion = say.usage
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
