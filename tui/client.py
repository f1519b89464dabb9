"""The endpoints of a running backend, a method each.

Import it late, or open it through `tui.door`: it brings HTTP and the wire format along.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel

from assistant import wire
from tui.errors import ClientError
from tui.text import clean
from tui.transport import Transport

LOOK_S = 60.0
"""Looking for models on this machine may take so long."""
ALIVE_S = 10.0
"""A backend under load is slow to answer; where none is, the connection is refused at once."""


class Client:
    """One backend, one key. Open it with `Client.open(...)`, close it with `await client.close()`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @classmethod
    def open(cls, url: str, key: str | None) -> Client:
        """Prepare a client; nothing is sent yet.

        Raises:
            ClientError: the address or the key cannot be used.
        """
        return cls(Transport(url, key))

    @property
    def url(self) -> str:
        """The backend's address."""
        return self._transport.url

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    # ---------------------------------------------------------------- health

    async def alive(self) -> bool:
        """Whether something answers `/healthz` with success."""
        return await self._transport.answers("/healthz", within_s=ALIVE_S)

    async def ready(self) -> wire.Health:
        """Return the state of each dependency, also where the backend is not ready."""
        return await self._transport.ask(wire.Health, "GET", "/readyz", accept_errors=True)

    # ---------------------------------------------------------------- conversations

    async def create_conversation(self, *, incognito: bool = False) -> wire.Conversation:
        """Begin a conversation; its title comes from the first message."""
        body = {"incognito": True} if incognito else {}
        return await self._transport.ask(wire.Conversation, "POST", "/v1/conversations", body=body)

    async def conversations(
        self, most: int = 200, *, query: str = "", archived: bool = False
    ) -> list[wire.Conversation]:
        """List conversations, newest first, at most `most`; with `query`, those with these words in title or text."""
        found: list[wire.Conversation] = []
        params = {"q": query} if query else {}
        if archived:
            params["archived"] = "true"
        while True:
            page = await self._transport.ask(wire.ConversationPage, "GET", "/v1/conversations", params=params)
            found += page.data
            if not page.next_cursor or not page.data or len(found) >= most:
                return found[:most]
            params["cursor"] = page.next_cursor

    async def conversation(self, conversation_id: str) -> wire.Conversation:
        """Return one conversation without its messages."""
        return await self._transport.ask(wire.Conversation, "GET", _conversation(conversation_id))

    async def change_conversation(
        self, conversation_id: str, *, title: str | None = None, archived: bool | None = None
    ) -> wire.Conversation:
        """Rename or archive a conversation; what is None stays."""
        change = wire.ConversationChange(title=None if title is None else clean(title), archived=archived)
        return await self._transport.ask(wire.Conversation, "PATCH", _conversation(conversation_id), body=_body(change))

    async def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation with its messages and what was learned from nothing else."""
        await self._transport.do("DELETE", _conversation(conversation_id))

    async def messages(self, conversation_id: str, *, leaf: str | None = None) -> list[wire.Message]:
        """List all messages of a conversation, oldest first; `leaf` follows the branch through that message."""
        found: list[wire.Message] = []
        params = {"limit": "200"} | ({"leaf": leaf} if leaf else {})
        path = f"{_conversation(conversation_id)}/messages"
        while True:
            page = await self._transport.ask(wire.MessagePage, "GET", path, params=params)
            found += page.data
            if not page.next_cursor or not page.data:
                return found
            params["cursor"] = page.next_cursor

    async def newest_messages(
        self, conversation_id: str, *, before: str | None = None, leaf: str | None = None, limit: int = 100
    ) -> wire.MessagePage:
        """Return the end of a conversation, oldest first; `before`, its `previous_cursor`, the page before it."""
        params = {"limit": str(limit), "newest": "true"} | ({"leaf": leaf} if leaf else {})
        if before is not None:
            params["before"] = before
        return await self._transport.ask(
            wire.MessagePage, "GET", f"{_conversation(conversation_id)}/messages", params=params
        )

    # ---------------------------------------------------------------- one turn

    def send(
        self, conversation_id: str, text: str, client_message_id: str, *, parent_id: str | None = None
    ) -> AsyncIterator[tuple[int, wire.Event]]:
        """Send a message and yield the numbered events of its turn; the same `client_message_id` is the same message.

        Raises:
            ClientError: see `Transport.events`.
        """
        body = {"content": clean(text), "stream": True, "client_message_id": client_message_id}
        if parent_id is not None:
            body["parent_id"] = parent_id
        return self._transport.events("POST", f"{_conversation(conversation_id)}/messages", body=body)

    def edit(self, message_id: str, text: str, client_message_id: str) -> AsyncIterator[tuple[int, wire.Event]]:
        """Say something else in place of a message, and yield the events of its turn."""
        body = {"content": clean(text), "stream": True, "client_message_id": client_message_id}
        return self._transport.events("POST", f"{_message(message_id)}/edit", body=body)

    def regenerate(self, message_id: str) -> AsyncIterator[tuple[int, wire.Event]]:
        """Ask for another reply beside the one there is, and yield the events of its turn."""
        return self._transport.events("POST", f"{_message(message_id)}/regenerate", body={"stream": True})

    def resume(self, stream_id: str, after: int) -> AsyncIterator[tuple[int, wire.Event]]:
        """Come back to a running or just finished turn, after event number `after`."""
        return self._transport.events("GET", f"/v1/streams/{_id(stream_id)}", params={"after": str(after)})

    async def cancel(self, stream_id: str) -> None:
        """Ask a running turn to stop and keep what it has."""
        await self._transport.do("POST", f"/v1/streams/{_id(stream_id)}/cancel")

    async def why(self, message_id: str) -> wire.Why:
        """Return what a reply was made from."""
        return await self._transport.ask(wire.Why, "GET", f"{_message(message_id)}/why")

    async def rate(self, message_id: str, rating: Literal["up", "down"], reason: str = "") -> wire.Feedback:
        """Say what the person thinks of a reply."""
        body = _body(wire.NewFeedback(rating=rating, reason=clean(reason) or None))
        return await self._transport.ask(wire.Feedback, "PUT", f"{_message(message_id)}/feedback", body=body)

    # ---------------------------------------------------------------- memories and safety

    async def memories(self, most: int = 1000) -> list[wire.Memory]:
        """List what is remembered, newest first, at most `most`."""
        found: list[wire.Memory] = []
        params: dict[str, str] = {}
        while True:
            page = await self._transport.ask(wire.MemoryPage, "GET", "/v1/me/memories", params=params)
            found += page.data
            if not page.next_cursor or not page.data or len(found) >= most:
                return found[:most]
            params["cursor"] = page.next_cursor

    async def remember(self, text: str) -> wire.Memory:
        """Remember what the person states."""
        return await self._transport.ask(wire.Memory, "POST", "/v1/me/memories", body={"text": clean(text)})

    async def correct(self, memory_id: str, text: str) -> wire.Memory:
        """Put what is right in place of a memory."""
        return await self._transport.ask(wire.Memory, "PATCH", _memory(memory_id), body={"text": clean(text)})

    async def forget(self, memory_id: str, *, dry_run: bool = False) -> wire.Forgotten:
        """Forget a memory, or list what would go with it."""
        params = {"dry_run": "true"} if dry_run else {}
        return await self._transport.ask(wire.Forgotten, "DELETE", _memory(memory_id), params=params)

    async def resources(self) -> wire.ResourceCard:
        """Return where a person in distress can turn, in their country where it is known."""
        try:
            country = (await self.settings()).country
        except ClientError:
            country = None  # help needs no key and no working settings
        params = {"country": country} if country else {}
        return await self._transport.ask(wire.ResourceCard, "GET", "/v1/safety/resources", params=params)

    async def confirm(self, memory_id: str) -> wire.Memory:
        """Say that a memory is right."""
        return await self._transport.ask(wire.Memory, "POST", f"{_memory(memory_id)}/confirm")

    async def decline(self, memory_id: str) -> wire.Memory:
        """Say that a memory is not right; it ends, and is not learned again from the same words."""
        return await self._transport.ask(wire.Memory, "POST", f"{_memory(memory_id)}/decline")

    # ---------------------------------------------------------------- everything at once

    async def begin_export(self) -> wire.Export:
        """Begin an archive of everything held about the person."""
        return await self._transport.ask(wire.Export, "POST", "/v1/me/export")

    async def download_export(self, export_id: str, file: Path) -> wire.Export | None:
        """Write the archive to a file; while it is not ready, say how far it is."""
        state = await self._transport.download(f"/v1/me/export/{_id(export_id)}", file)
        return None if state is None else wire.Export.model_validate(state)

    def bring(self, file: Path, format: str) -> AsyncIterator[dict[str, Any]]:
        """Bring a history in and yield how far it is; see `tui.carrying`."""
        return self._transport.upload("/v1/me/import", file, params={"format": format})

    # ---------------------------------------------------------------- persona and settings

    async def persona(self) -> wire.PersonaView:
        """Return the five traits with what they rest on."""
        return await self._transport.ask(wire.PersonaView, "GET", "/v1/me/persona")

    async def change_trait(self, change: wire.TraitChange) -> wire.PersonaView:
        """Correct a trait, or let it stand still or move again."""
        return await self._transport.ask(wire.PersonaView, "PATCH", "/v1/me/persona", body=_body(change))

    async def forget_trait(self, trait: str | None = None) -> wire.PersonaForgotten:
        """Delete what is known of a trait, or of all."""
        params = {"trait": trait} if trait else {}
        return await self._transport.ask(wire.PersonaForgotten, "DELETE", "/v1/me/persona", params=params)

    async def questionnaire(self, items: int) -> wire.Questionnaire:
        """Return the statements of a questionnaire of 20 or 50 items."""
        params = {"items": str(items)}
        return await self._transport.ask(wire.Questionnaire, "GET", "/v1/me/persona/questionnaire", params=params)

    async def answer(self, items: int, answers: dict[str, int]) -> wire.PersonaView:
        """Hand in the answers to a questionnaire."""
        params = {"items": str(items)}
        path = "/v1/me/persona/questionnaire"
        return await self._transport.ask(wire.PersonaView, "POST", path, params=params, body={"answers": answers})

    async def model_offers(self) -> wire.ModelOffers:
        """Return which models could answer; only who runs the backend may ask."""
        return await self._transport.ask(wire.ModelOffers, "GET", "/v1/admin/models", within_s=LOOK_S)

    async def choose_model(self, name: str, *, agree: bool) -> AsyncIterator[wire.ModelStep]:
        """Choose the model that answers from the backend's next start on, and yield how far its download is."""
        body = _body(wire.ModelChoice(name=name, agree=agree))
        async for line in self._transport.lines("POST", "/v1/admin/models", body=body):
            yield wire.ModelStep.model_validate(line)

    async def settings(self) -> wire.SettingsView:
        """Return what the person allows and prefers."""
        return await self._transport.ask(wire.SettingsView, "GET", "/v1/me/settings")

    async def change_settings(self, **changes: Any) -> wire.SettingsView:
        """Change the named settings; None takes back what may be unsaid."""
        return await self._transport.ask(wire.SettingsView, "PATCH", "/v1/me/settings", body=changes)


def _body(request: BaseModel) -> dict[str, Any]:
    return request.model_dump(exclude_none=True)


def _id(value: str) -> str:
    return quote(value, safe="")


def _conversation(id: str) -> str:
    return f"/v1/conversations/{_id(id)}"


def _message(id: str) -> str:
    return f"/v1/messages/{_id(id)}"


def _memory(id: str) -> str:
    return f"/v1/me/memories/{_id(id)}"
