"""Every response has an id and its time, and what nobody expected is the envelope too."""

from __future__ import annotations

import logging

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from assistant.boundary import Boundary
from tests.fakes.backend import Backend


async def test_every_response_carries_its_id_and_its_time(backend: Backend) -> None:
    conversation = await backend.conversation()
    asked = {"content": "hello", "stream": True}
    for answer in (
        await backend.client.get("/healthz"),
        await backend.client.get("/v1/nothing"),
        await backend.client.get("/v1/me/settings", headers={"authorization": "Bearer no"}),
        await backend.client.post("/v1/conversations", content=b"{", headers={"content-type": "application/json"}),
        await backend.say(conversation, "hi"),
        await backend.client.post(f"/v1/conversations/{conversation}/messages", json=asked),
    ):
        assert answer.headers["x-request-id"].startswith("req_"), answer.request.url
        assert "dur=" in answer.headers["server-timing"], answer.request.url
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "param", "code", "request_id", "retry_after"}
            assert error["request_id"] == answer.headers["x-request-id"]


async def test_what_nobody_expected_is_the_envelope_and_holds_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("what a person said")

    class App:
        """What the boundary asks its app for."""

        state = object()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Boundary(broken, 1000, 1000)({**scope, "app": App}, receive, send)

    with caplog.at_level(logging.ERROR):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            answer = await client.get("/v1/anything")
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert error["code"] == "internal_error" and "a person said" not in answer.text
    assert error["request_id"] == answer.headers["x-request-id"] and "server-timing" in answer.headers
