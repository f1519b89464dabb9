"""What is remembered about the person, and forgetting it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from assistant import erasing, wire
from assistant.auth import PersonId, Runtimes
from memory.ledger.going import Target
from memory.types import Fact, Kind, NewFact

router = APIRouter(prefix="/v1/me/memories", tags=["memories"])


_OWN_WORD = 0.95
"""How sure we are of what the person wrote down about themselves."""


def wire_memory(fact: Fact) -> wire.Memory:
    """A stored fact as clients see it."""
    return wire.Memory(
        id=fact.id,
        text=fact.text,
        kind=fact.kind.value,
        confidence=fact.confidence,
        origin=fact.origin,
        status=fact.status,
        valid_from=fact.valid_from,
        valid_to=fact.valid_to,
        review=fact.review,
        evidence=[wire.Evidence(message_id=e.message_id, quote=e.quote) for e in fact.evidence],
    )


@router.get("")
async def list_memories(
    runtime: Runtimes,
    person: PersonId,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    q: Annotated[wire.Text | None, Query(max_length=200)] = None,
    status: Annotated[Literal["active", "superseded", "unconfirmed"], Query()] = "active",
    kind: Annotated[list[wire.MemoryKind] | None, Query()] = None,
) -> wire.MemoryPage:
    """List what is remembered, newest first; `unconfirmed` is what was inferred and waits for the person's word."""
    facts, following = await runtime.ledger.facts.list(
        person,
        "superseded" if status == "superseded" else "active",
        cursor=cursor,
        limit=limit,
        query=q,
        kinds=None if kind is None else [Kind(one) for one in kind],
        unconfirmed=status == "unconfirmed",
    )
    return wire.MemoryPage(data=[wire_memory(f) for f in facts], next_cursor=following)


@router.post("", status_code=201)
async def add(body: wire.NewMemory, runtime: Runtimes, person: PersonId) -> wire.Memory:
    """Remember what the person states; saying what is known already strengthens it."""
    fact = await runtime.ledger.facts.add(person, _edited(body.text, Kind(body.kind)))
    await runtime.index.add(fact)
    return wire_memory(fact)


@router.get("/{memory_id}")
async def show(memory_id: str, runtime: Runtimes, person: PersonId) -> wire.Memory:
    """Return one memory of any status, with the words it rests on."""
    return wire_memory(await runtime.ledger.facts.get(person, memory_id))


@router.patch("/{memory_id}")
async def correct(memory_id: str, body: wire.MemoryChange, runtime: Runtimes, person: PersonId) -> wire.Memory:
    """Put what is right in place of a memory, which ends and is used no more; sending it again changes nothing."""
    old = await runtime.ledger.facts.get(person, memory_id)
    kind = old.kind if body.kind is None else Kind(body.kind)
    fact = await runtime.ledger.facts.revise(person, old.id, _edited(body.text, kind))
    await runtime.index.add(fact)
    await runtime.index.forget(person, [old.id])
    return wire_memory(fact)


@router.get("/{memory_id}/evidence")
async def evidence(memory_id: str, runtime: Runtimes, person: PersonId) -> wire.EvidenceList:
    """List the words that a memory rests on, with the messages and conversations they stand in, oldest first."""
    fact = await runtime.ledger.facts.get(person, memory_id)
    messages = [await runtime.ledger.messages.get(person, one.message_id) for one in fact.evidence]
    data = [
        wire.EvidenceSource(
            message_id=said.id, conversation_id=said.conversation_id, quote=one.quote, said_at=said.created_at
        )
        for one, said in zip(fact.evidence, messages, strict=True)
    ]
    return wire.EvidenceList(data=sorted(data, key=lambda one: one.said_at))


@router.post("/{memory_id}/confirm")
async def confirm(memory_id: str, runtime: Runtimes, person: PersonId) -> wire.Memory:
    """Say that a memory is right: what was inferred counts in full from then on."""
    await runtime.ledger.reviews.confirm(person, memory_id)
    return wire_memory(await runtime.ledger.facts.get(person, memory_id))


@router.post("/{memory_id}/decline")
async def decline(memory_id: str, runtime: Runtimes, person: PersonId) -> wire.Memory:
    """Say that a memory is not right: it ends, and what was said before does not teach it again."""
    await runtime.ledger.reviews.decline(person, memory_id)
    await runtime.index.forget(person, [memory_id])
    return wire_memory(await runtime.ledger.facts.get(person, memory_id))


def _edited(text: str, kind: Kind) -> NewFact:
    """A fact that rests on the person's own hand and on no message, so that it outlives every conversation."""
    return NewFact(text.strip(), kind, _OWN_WORD, "edited", (), datetime.now(UTC))


@router.delete("/{memory_id}")
async def forget(memory_id: str, runtime: Runtimes, person: PersonId, dry_run: bool = False) -> wire.Forgotten:
    """Forget one memory with the older versions it replaced; the messages it was said in stay."""
    receipt = await erasing.forget(runtime, person, Target("fact", (memory_id,)), dry_run=dry_run)
    return wire.Forgotten(id=memory_id, forgotten=receipt.facts, dry_run=dry_run, receipt=receipt)
