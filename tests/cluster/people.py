"""People who talk with a cluster through a client that goes to the next backend when one cannot answer.

The client is what docs/deployment.md tells clients to do: one list of backends, each person with a fixed first one; a
refused connection, a broken one, 503 and `turn_running` are tried again at the next with the same client_message_id.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from httpx_sse import SSEError, aconnect_sse

from tests.cluster.model_server import MARK

GIVE_UP_S = 300.0
"""A request that finds no backend for so long is lost."""
_PAUSE_S = 0.2
_THINKING_S = 0.3


class LostError(AssertionError):
    """No backend took the request in time, or one refused it for good."""


@dataclass(slots=True)
class Said:
    """One message of a person and what came of it."""

    name: str
    text: str
    sent_at: float
    acknowledged: bool = False
    reply: str | None = None
    version: str = ""
    complete: bool = False
    done_at: float = 0.0
    tries: int = 0


@dataclass(slots=True)
class Caller:
    """The client of one person."""

    urls: Sequence[str]
    key: str
    first: int
    """Which backend is asked first."""
    retried: int = 0

    def client(self, attempt: int) -> httpx.AsyncClient:
        """A client of the backend that is next after so many tries."""
        url = self.urls[(self.first + attempt) % len(self.urls)]
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=httpx.Timeout(60, connect=5), trust_env=False)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask any backend that can answer."""
        given_up, attempt = time.monotonic() + GIVE_UP_S, 0
        while time.monotonic() < given_up:
            try:
                async with self.client(attempt) as client:
                    answer = await client.request(method, path, json=body)
            except httpx.TransportError:
                pass
            else:
                if not again(answer.status_code, answer.text):
                    if answer.status_code >= 400:
                        raise LostError(f"{method} {path}: {answer.status_code} {answer.text}")
                    return answer.json()
            attempt += 1
            self.retried += 1
            await asyncio.sleep(_PAUSE_S)
        raise LostError(f"{method} {path}: no backend answered")


def again(status: int, text: str) -> bool:
    """Whether a request may be sent again elsewhere."""
    return status == 503 or (status == 409 and "turn_running" in text)


@dataclass(slots=True)
class Talker:
    """A person with one conversation, who says the next thing after each reply."""

    person: str
    caller: Caller
    mark: str
    conversation: str = ""
    said: list[Said] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def talk(self, over: asyncio.Event) -> None:
        """Talk until it is over."""
        self.conversation = (await self.caller.ask("POST", "/v1/conversations"))["id"]
        while not over.is_set():
            number = len(self.said) + 1
            text = f"Number {number} of {self.mark}: I am tired today."
            said = Said(f"c{number}", text, time.monotonic())
            self.said.append(said)
            await self._until_answered(said)
            await asyncio.sleep(random.uniform(0, 2 * _THINKING_S))

    async def _until_answered(self, said: Said) -> None:
        given_up = time.monotonic() + GIVE_UP_S
        while time.monotonic() < given_up:
            try:
                if await self._try(said):
                    said.done_at = time.monotonic()
                    self._look(said)
                    return
            except (httpx.TransportError, SSEError):
                pass
            said.tries += 1
            self.caller.retried += 1
            await asyncio.sleep(_PAUSE_S)
        raise LostError(f"{said.text}: not answered in {GIVE_UP_S:.0f} s")

    async def _try(self, said: Said) -> bool:
        """Send it once; True when it was answered, in whole or in part."""
        path = f"/v1/conversations/{self.conversation}/messages"
        body = {"content": said.text, "stream": True, "client_message_id": said.name}
        heard, failure = "", ""
        async with self.caller.client(said.tries) as client, aconnect_sse(client, "POST", path, json=body) as source:
            if source.response.status_code != 200:
                text = (await source.response.aread()).decode()
                if not again(source.response.status_code, text):
                    raise LostError(f"{said.text}: {source.response.status_code} {text}")
                return False
            async for frame in source.aiter_sse():
                event = json.loads(frame.data)
                if event["type"] == "message.created":
                    said.acknowledged = True
                elif event["type"] == "delta":
                    heard += event["text"]
                elif event["type"] == "message.completed":
                    said.reply, said.version, said.complete = event["message"]["text"], event["policy_version"], True
                    return True
                elif event["type"] == "error":
                    failure = event["error"]["code"]
        if heard and failure.startswith("model_"):
            said.reply = heard  # kept in part: the model broke off after its first words
            return True
        return False

    def _look(self, said: Said) -> None:
        others = set(MARK.findall(said.reply or "")) - {self.mark}
        if others:
            self.wrong.append(f"{said.name} was answered with the words of others: {others}")


def marks(number: int) -> list[str]:
    """So many marks, each found in no other text."""
    letters = "bcdfghjklmnpqrstvwxz"
    return ["mark" + "".join(random.choices(letters, k=12)) for _ in range(number)]
