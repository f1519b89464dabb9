"""Connections behind which nobody is: they cost nothing, and hold nobody else up."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel

HALF = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
async def strict(tmp_path: Path, model: ScriptedModel) -> AsyncIterator[Backend]:
    """A backend of little patience."""
    server = {"request_timeout_s": 1.0, "send_timeout_s": 1.0, "max_connections": 600, "max_header_bytes": 4096}
    async with running(tmp_path, policy=model, embedder=shared_embedder(), server=server) as backend:
        yield backend


async def _open(backend: Backend) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", urlsplit(backend.url).port)


async def _ended(reader: asyncio.StreamReader) -> bytes:
    """What still came before the server closed the connection."""
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionResetError:
        return b""


async def test_a_thousand_half_open_connections_keep_nobody_from_an_answer(strict: Backend) -> None:
    conversation = await strict.conversation()
    writers = []
    for _ in range(1000):
        _, writer = await _open(strict)
        writer.write(HALF)
        writers.append(writer)
    assert (await strict.say(conversation, "hello")).status_code == 200
    for writer in writers:
        writer.close()


async def test_headers_that_do_not_end_in_time_are_cut_however_they_trickle(strict: Backend) -> None:
    reader, writer = await _open(strict)
    ended = asyncio.create_task(_ended(reader))
    trickled = 0
    while not ended.done():
        writer.write(b"X-A: b\r\n" if trickled else HALF)
        trickled += 1
        await asyncio.wait({ended}, timeout=0.1)
        assert trickled < 200, "it was never cut"
    assert ended.result() == b""
    writer.close()


async def test_a_body_that_falls_silent_is_cut(strict: Backend) -> None:
    reader, writer = await _open(strict)
    head = f"POST /v1/conversations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {strict.key}\r\nContent-Length: 50\r\n"
    writer.write(head.encode() + b'\r\n{"title": ')
    assert b"201" not in await _ended(reader)
    writer.close()
    assert (await strict.client.get("/v1/conversations")).json()["data"] == []


async def test_headers_over_the_limit_are_refused_with_the_envelope(strict: Backend) -> None:
    reader, writer = await _open(strict)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n")
    answer = await _ended(reader)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] in ("bad_request", "headers_too_large")
    writer.close()


async def test_a_request_after_a_pause_on_the_same_connection_is_answered(strict: Backend) -> None:
    reader, writer = await _open(strict)
    for _ in range(2):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(30):
            assert b"200" in await reader.readline()
            while (await reader.readline()) != b"\r\n":
                pass
            assert json.loads(await reader.readexactly(18)) == {"status": "alive"}
    writer.close()


async def test_a_client_that_reads_nothing_is_cut_and_the_reply_is_kept(strict: Backend, model: ScriptedModel) -> None:
    text = "la" * 1500
    model.replies.append(list(text))
    conversation = await strict.conversation()
    body = json.dumps({"content": "hello", "stream": True}).encode()
    head = (
        f"POST /v1/conversations/{conversation}/messages HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {strict.key}\r\nContent-Type: application/json\r\n"
    )
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    async with AsyncExitStack() as stack:
        stack.callback(deaf.close)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", urlsplit(strict.url).port))
        await loop.sock_sendall(deaf, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        async with asyncio.timeout(60):
            while len(await strict.messages(conversation)) < 2:
                await asyncio.wait({asyncio.ensure_future(strict.runtime.worker.drain(1))})
    [_, reply] = await strict.messages(conversation)
    assert reply["text"]
    assert text.startswith(reply["text"])
    assert reply["status"] == ("complete" if reply["text"] == text else "partial")
