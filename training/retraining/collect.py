"""What people who agreed to training hold, as a fingerprint and as sizes; nothing is written and no word leaves.

The fingerprint changes with everything that an export would hold: who agrees, what was said, learned, corrected,
forgotten. Where it is the same, building again would give the same people and words.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from memory.ledger.ledger import Ledger
from training.personaemp.record import Record, RecordMemory, Turn
from training.personaemp.sources.ledger import NAME, conversations, path

_PAGE = 200
_LETTERS_PER_WORD = 5


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much one person holds, for the estimate."""

    messages: tuple[tuple[bool, int], ...]
    """Whether the person wrote it, and its characters."""
    facts: tuple[tuple[str, int], ...]
    """The kind of each, and its characters."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the consenting people hold."""

    sha256: str
    people: tuple[Sizes, ...]

    @property
    def messages(self) -> int:
        """Of all of them."""
        return sum(len(one.messages) for one in self.people)

    @property
    def facts(self) -> int:
        """Of all of them."""
        return sum(len(one.facts) for one in self.people)


async def held(ledger: Ledger) -> Held:
    """Read what everybody who agreed to training holds.

    Raises:
        LedgerError: the ledger failed.
    """
    whole, people = hashlib.sha256(), []
    async for person in ledger.settings.consenting("training"):
        settings = await ledger.settings.get(person)
        parts = [person, str(settings.memory), str(settings.persona)]
        messages: list[tuple[bool, int]] = []
        async for conversation in conversations(ledger, person):
            async for message in path(ledger, person, conversation):
                parts += [message.id, message.status, str(message.crisis_level)]
                messages.append((message.role == "user", len(message.text)))
        facts: list[tuple[str, int]] = []
        cursor, more = None, True
        while more:
            page, cursor = await ledger.facts.list(person, None, cursor, _PAGE)
            parts += [part for fact in page for part in (fact.id, fact.status, fact.text)]
            facts += [(fact.kind.value, len(fact.text)) for fact in page if fact.status == "active"]
            more = cursor is not None
        parts += [repr(piece) for piece in await ledger.traits.list(person)]
        parts.append(repr(await ledger.trait_controls.frozen(person)))
        whole.update("\0".join(parts).encode())
        people.append(Sizes(tuple(messages), tuple(facts)))
    return Held(whole.hexdigest(), tuple(people))


def stand_in(sizes: Sizes, number: int) -> Record:
    """Return a record of the same size that holds nobody's words."""
    turns = tuple(
        Turn(f"m{place}", "c", "user" if own else "assistant", _filler(length))
        for place, (own, length) in enumerate(sizes.messages)
    )
    memories = tuple(
        RecordMemory(f"f{place}", _filler(length), label=kind) for place, (kind, length) in enumerate(sizes.facts)
    )
    return Record(f"person {number}", NAME, f"person {number}", turns, memories)


def _filler(length: int) -> str:
    return "word " * max(1, length // _LETTERS_PER_WORD)
