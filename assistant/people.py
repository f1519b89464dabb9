"""People as operators see them: who there is and how much is kept of them, never what."""

from __future__ import annotations

from assistant import wire
from memory.ledger.going import Target
from memory.ledger.ledger import Ledger
from memory.types import Person


def person_view(person: Person) -> wire.PersonView:
    """A person by ids alone."""
    return wire.PersonView(id=person.id, external_id=person.external_id, created_at=person.created_at)


async def add(ledger: Ledger, actor: str, external_id: str | None) -> wire.PersonView:
    """Add a person whom the operator may call by a name of their own.

    Raises:
        ConflictError: the operator already calls somebody so.
    """
    person = await ledger.users.create(external_id)
    await ledger.audit.write(actor, "user.create", person.id)
    return person_view(person)


async def page(ledger: Ledger, cursor: str | None, limit: int) -> wire.PersonPage:
    """Return a page of people, oldest first."""
    people, following = await ledger.users.list(cursor, limit)
    return wire.PersonPage(data=[person_view(person) for person in people], next_cursor=following)


async def counts(ledger: Ledger, person_id: str) -> wire.PersonCounts:
    """Count what is kept of a person.

    Raises:
        NotFoundError: there is no such person.
    """
    person, settings = await ledger.users.get(person_id), await ledger.settings.get(person_id)
    kept = await ledger.erasures.plan(person_id, Target("person"))
    return wire.PersonCounts(
        person=person_view(person),
        conversations=len(kept.conversations),
        messages=len(kept.messages),
        facts=len(kept.facts),
        trait_observations=len(kept.traits),
        unfinished_jobs=sum([len(await ledger.jobs.list(status, person_id)) for status in ("pending", "running")]),
        memory=settings.memory,
        persona=settings.persona,
        training=settings.training,
        retention_days=settings.retention_days,
    )
