"""People in a ledger who agreed that their words may train a model."""

from __future__ import annotations

from datetime import datetime

from memory.ledger.ledger import Ledger
from memory.types import Evidence, Kind, NewFact
from tests.fakes.sessions import prose


async def somebody_who_agrees(ledger: Ledger, number: int, since: datetime | None = None) -> str:
    """Add somebody with one message and one fact, which holds since then or since it was said; return their id."""
    person = (await ledger.users.create(f"person {number}")).id
    await ledger.settings.update(person, training=True)
    conversation = await ledger.conversations.create(person)
    said = f"I keep talking about my sister. {prose(number, 12)}"
    message = (await ledger.messages.append(person, conversation.id, "user", said)).message
    evidence = (Evidence(message.id, message.text),)
    fact = f"Has a sister who {prose((number, 'fact'), 6)}"
    await ledger.facts.add(
        person, NewFact(fact, Kind.RELATIONSHIP, 0.9, "stated", evidence, since or message.created_at)
    )
    return person
