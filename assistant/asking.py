"""`attune ask`: one message and its reply, through the running backend or without one.

It is a look at what would be answered: the conversation is incognito and deleted afterwards, and nothing is learned.
"""

from __future__ import annotations

import httpx

from assistant import wire
from assistant.config import AssistantConfig
from assistant.erasing import forget
from assistant.errors import AttuneError
from assistant.remote import Remote, envelope_error
from assistant.routes.chat import whole_reply
from assistant.runtime import open_runtime
from assistant.submission import Submission
from assistant.submit import submit
from memory.ledger.going import Target

PATIENCE_MS = 30_000
TITLE = "Asked from the command line"


def ask_remote(remote: Remote, user: str | None, message: str) -> wire.Reply:
    """Ask through the running backend."""
    headers = {"x-user-id": user} if user else {}
    try:
        with remote.client() as client:
            made = client.post("/v1/conversations", json={"title": TITLE, "incognito": True}, headers=headers)
            if made.status_code >= 400:
                raise envelope_error(made)
            path = f"/v1/conversations/{made.json()['id']}/messages"
            answer = client.post(path, json={"content": message}, headers=headers)
            client.delete(path.removesuffix("/messages"), headers=headers)
            if answer.status_code >= 400:
                raise envelope_error(answer)
            return wire.Reply.model_validate(answer.json())
    except httpx.HTTPError as error:
        raise AttuneError(f"the backend at {remote.url} went away: {error}") from error


async def ask_directly(config: AssistantConfig, user: str | None, message: str) -> wire.Reply:
    """Ask without a running backend; recall may take its time, because everything has just been opened."""
    recall = config.memory.recall.model_copy(update={"deadline_ms": PATIENCE_MS})
    patient = config.model_copy(update={"memory": config.memory.model_copy(update={"recall": recall})})
    async with open_runtime(patient) as runtime:
        await runtime.embedder.ready()
        person = runtime.owner if user is None else await runtime.ledger.users.by_external(user)
        conversation = await runtime.ledger.conversations.create(person.id, title=TITLE, incognito=True)
        try:
            return await whole_reply(await submit(runtime, Submission(person.id, conversation, message)))
        finally:
            await forget(runtime, person.id, Target("conversation", (conversation.id,)))
