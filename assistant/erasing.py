"""Forgetting in a running backend: the turns that speak of it end first, then memory.forget does the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

import httpx

from assistant import wire
from assistant.errors import AttuneError
from assistant.remote import Remote, envelope_error
from assistant.runtime import Runtime
from memory.ledger.going import Target
from memory.receipt import Receipt


async def forget(runtime: Runtime, person_id: str, target: Target, *, dry_run: bool = False) -> wire.Receipt:
    """Forget, or with `dry_run` say what would go.

    A running reply in what goes is stopped first, and no message of the person is taken until it is gone. Of a single
    fact no reply is stopped: one that is being spoken may still use it.

    Raises:
        NotFoundError: there is no such thing, or it is somebody else's.
        MemoryLayerError: it is not all gone yet; the job stays, and a restart tries again.
    """
    if dry_run:
        return wire_receipt(await runtime.forgetting.plan(person_id, target))
    if target.scope == "fact":
        return wire_receipt(await runtime.forgetting.forget(person_id, target, runtime.worker))
    async with runtime.turns.one_at_a_time(person_id):
        going = (await runtime.forgetting.plan(person_id, target)).going
        for conversation_id in await _conversations(runtime, person_id, target, going.messages):
            await runtime.turns.end(conversation_id)
        return wire_receipt(await runtime.forgetting.forget(person_id, target, runtime.worker))


async def _conversations(runtime: Runtime, person_id: str, target: Target, message_ids: tuple[str, ...]) -> set[str]:
    if target.scope == "conversation":
        return set(target.ids)
    if target.scope == "person":
        return runtime.turns.conversations(person_id)
    return {(await runtime.ledger.messages.get(person_id, id)).conversation_id for id in message_ids}


async def erase_person(runtime: Runtime, actor: str, person_id: str, *, dry_run: bool = False) -> wire.Receipt:
    """Erase a person on an operator's word; the record keeps who did it, and counts.

    Raises:
        NotFoundError: there is no such person.
        MemoryLayerError: it is not all gone yet; the job stays, and a restart tries again.
    """
    receipt = await forget(runtime, person_id, Target("person"), dry_run=dry_run)
    if not dry_run:
        await runtime.ledger.audit.write(actor, "user.erase", person_id, {"messages": len(receipt.messages)})
    return receipt


def wire_receipt(receipt: Receipt) -> wire.Receipt:
    """A receipt as clients see it."""
    going = receipt.going
    return wire.Receipt(
        scope=receipt.target.scope,
        ids=list(receipt.target.ids),
        dry_run=receipt.dry_run,
        at=receipt.at,
        facts=list(going.facts),
        weakened=list(going.weakened),
        evidence=going.evidence,
        trait_evidence=list(going.traits),
        messages=list(going.messages),
        conversations=list(going.conversations),
        jobs=list(going.jobs),
        dataset_rows=going.dataset_rows,
        files=receipt.files,
        exports=receipt.exports,
        dataset_files=receipt.dataset_files,
        index_rebuilt=receipt.index_rebuilt,
        ledger_rewritten=receipt.ledger_rewritten,
        verified=receipt.verified,
        remaining=receipt.remaining,
        unprovable=list(receipt.unprovable),
    )


def erase_remote(remote: Remote, user: str | None, dry_run: bool) -> wire.Receipt:
    """Erase a person through the running backend.

    Raises:
        AttuneError: what the backend answered instead.
    """
    return _delete(remote, "/v1/me", {"x-user-id": user} if user else {}, dry_run)


def erase_person_remote(remote: Remote, person_id: str, dry_run: bool) -> wire.Receipt:
    """Erase a person, named by their id, through the running backend.

    Raises:
        AttuneError: what the backend answered instead.
    """
    return _delete(remote, f"/v1/admin/users/{quote(person_id, safe='')}", {}, dry_run)


def _delete(remote: Remote, path: str, headers: Mapping[str, str], dry_run: bool) -> wire.Receipt:
    try:
        with remote.client() as client:
            params = {"dry_run": "true"} if dry_run else {}
            answer = client.delete(path, params=params, headers=headers)
    except httpx.HTTPError as error:
        raise AttuneError(f"the backend at {remote.url} went away: {error}. What it began goes on there") from error
    if answer.status_code >= 400:
        raise envelope_error(answer)
    return wire.Receipt.model_validate(answer.json())


async def erase_directly(runtime: Runtime, user: str | None, dry_run: bool) -> AsyncIterator[wire.Receipt]:
    """Erase a person in a data directory on which no backend runs; yields the one receipt."""
    person = runtime.owner if user is None else await runtime.ledger.users.by_external(user)
    yield await forget(runtime, person.id, Target("person"), dry_run=dry_run)


def lines_of(receipt: wire.Receipt) -> list[str]:
    """A receipt in words."""
    done = "would go" if receipt.dry_run else "gone"
    counts = {
        "conversations": len(receipt.conversations),
        "messages": len(receipt.messages),
        "facts": len(receipt.facts),
        "quotes behind facts": receipt.evidence,
        "trait observations": len(receipt.trait_evidence),
        "jobs": len(receipt.jobs),
    }
    lines = [f"{name:20} {count} {done}" for name, count in counts.items()]
    if receipt.dataset_rows:
        marked = "would be marked" if receipt.dry_run else "marked"
        lines.append(f"{'rows of data sets':20} {receipt.dataset_rows} {marked}: build them anew before training")
    if receipt.exports:
        lines.append(f"{'exports kept here':20} {receipt.exports} {done}")
    if receipt.dataset_files:
        lines.append(f"{'files of data sets':20} {receipt.dataset_files} {done}")
    if receipt.verified:
        lines.append(f"read again at {receipt.at:%Y-%m-%d %H:%M:%S} UTC: {receipt.remaining} left in ledger and index")
    lines += [f"not proved: {one}" for one in receipt.unprovable]
    return lines
