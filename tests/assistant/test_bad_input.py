"""Bad input is a 4xx with the envelope, the backend lives on, and nothing is half written."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.fakes.backend import Backend

JSON = {"content-type": "application/json"}

BODIES = {
    "empty": (b'{"content": ""}', 422),
    "blank": (b'{"content": " \\n\\t "}', 422),
    "one megabyte": (json.dumps({"content": "a" * 1_000_000}).encode(), 413),
    "over the message limit": (json.dumps({"content": "a" * 40_000}).encode(), 413),
    "invalid UTF-8": (b'{"content": "\xff\xfe"}', 400),
    "a lone surrogate": (b'{"content": "\\ud800"}', 422),
    "NUL": (b'{"content": "a\\u0000b"}', 422),
    "an unknown field": (b'{"content": "hi", "admin": true}', 422),
    "a wrong type": (b'{"content": 5}', 422),
    "no content": (b"{}", 422),
    "no object": (b"[]", 422),
    "null": (b"null", 422),
    "no JSON": (b"content=hi", 400),
    "cut JSON": (b'{"content": "hi', 400),
    "nothing": (b"", 422),
    "deeply nested": (b'{"content": ' + b"[" * 5000 + b"]" * 5000 + b"}", (400, 422)),
    "a client id with NUL": (b'{"content": "hi", "client_message_id": "a\\u0000"}', 422),
    "a client id too long": (json.dumps({"content": "hi", "client_message_id": "a" * 200}).encode(), 422),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_bad_message_is_refused_with_the_envelope_and_nothing_is_stored(name: str, backend: Backend) -> None:
    body, expected = BODIES[name]
    conversation = await backend.conversation()
    response = await backend.client.post(f"/v1/conversations/{conversation}/messages", content=body, headers=JSON)
    assert response.status_code in (expected if isinstance(expected, tuple) else (expected,))
    error = response.json()["error"]
    assert error["message"]
    assert error["code"]
    assert error["request_id"] == response.headers["x-request-id"]
    assert await backend.messages(conversation) == []
    assert (await backend.client.get("/healthz")).status_code == 200


IDS = ("con_unknown", "*", "' OR 1=1 --", '{"$ne": null}', "../../etc/passwd", "a" * 3000, "%00", "é", "\u202e")


@pytest.mark.parametrize("id", IDS)
async def test_an_unknown_id_is_not_found_everywhere(id: str, backend: Backend) -> None:
    quoted = id.replace("/", "%2F") if id != "%00" else id
    for method, path in (
        ("GET", f"/v1/conversations/{quoted}"),
        ("GET", f"/v1/conversations/{quoted}/messages"),
        ("POST", f"/v1/conversations/{quoted}/messages"),
        ("DELETE", f"/v1/me/memories/{quoted}"),
        ("GET", f"/v1/streams/{quoted}"),
        ("POST", f"/v1/streams/{quoted}/cancel"),
    ):
        response = await backend.client.request(method, path, json={"content": "hi"} if "messages" in path else None)
        assert response.status_code in (404, 405, 422), (method, path)
        assert response.json()["error"]["message"]


async def test_what_belongs_to_somebody_else_is_not_found(backend: Backend) -> None:
    conversation = await backend.conversation()
    await backend.say(conversation, "My dog Biscuit has a bad hip.")
    [memory] = await backend.memories()
    person = await backend.runtime.ledger.users.create()
    _, secret = await backend.runtime.ledger.keys.create("user", person.id)
    other = {"authorization": f"Bearer {secret}"}
    for method, path in (
        ("GET", f"/v1/conversations/{conversation}"),
        ("GET", f"/v1/conversations/{conversation}/messages"),
        ("POST", f"/v1/conversations/{conversation}/messages"),
        ("DELETE", f"/v1/me/memories/{memory['id']}"),
    ):
        body = {"content": "hi"} if method == "POST" else None
        assert (await backend.client.request(method, path, json=body, headers=other)).status_code == 404
    assert (await backend.client.get("/v1/me/memories", headers=other)).json()["data"] == []
    assert (await backend.client.get("/v1/conversations", headers=other)).json()["data"] == []
    assert len(await backend.memories()) == 1
    assert len(await backend.messages(conversation)) == 2


async def test_without_a_valid_key_nothing_is_told(backend: Backend) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic abc"}, {"authorization": "Bearer"}):
        for path in ("/v1/conversations", "/v1/me/memories", "/v1/models"):
            backend.client.headers.pop("authorization", None)
            response = await backend.client.get(path, headers=headers)
            assert response.status_code == 401
            assert response.json()["error"]["code"] == "invalid_api_key"


async def test_an_unknown_route_and_method_answer_with_the_envelope(backend: Backend) -> None:
    assert (await backend.client.get("/nowhere")).json()["error"]["code"] == "not_found"
    response = await backend.client.put("/v1/conversations")
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")


async def test_a_body_sent_without_its_length_is_still_limited(backend: Backend) -> None:
    conversation = await backend.conversation()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"a" * 10_000

    path = f"/v1/conversations/{conversation}/messages"
    assert (await backend.client.post(path, content=pieces(), headers=JSON)).status_code == 413
    assert await backend.messages(conversation) == []
