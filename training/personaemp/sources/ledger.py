"""People of the ledger as records, with their consent: the only way that what they said leaves it for training.

Exported are only people whose settings allow training, one at a time and asked again as each one's turn comes; of them
nothing that was forgotten, no incognito conversation, no crisis turn (high, imminent) and no reply to one, no reply
that failed or was taken back, no branch that was left, and no fact that rests on such turns alone. People bear a random
id of the data set and their names and contact details are pseudonyms. A fact bears the time since when it was known:
when it was written down, or, where the words come from an import, when they were said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from assistant.language import detect_language
from assistant.safety.screen import screen
from memory.errors import NotFoundError
from memory.ledger.datasets import Place
from memory.ledger.ledger import Ledger
from memory.persona.levels import shown
from memory.persona.profile import persona
from memory.reflect.turns import without_crisis
from memory.types import Conversation, Fact, Message, Settings
from training.example import Trait
from training.personaemp.manifest import ConsentSnapshot
from training.personaemp.pseudonyms import Pseudonyms
from training.personaemp.record import Posterior, Record, RecordMemory, Skipped, Turn

NAME = "ledger"

_PAGE = 200
_SHOWN = ("complete", "partial")
_IMPORT = "import:"


@dataclass
class LedgerSource:
    """The consented export of one ledger for one data set."""

    ledger: Ledger
    dataset_id: str
    work: Path | None = None
    """Where answers are kept that rest on what is exported: whoever forgets looks there."""
    _exported: int = field(default=0, init=False)

    async def records(self) -> AsyncIterator[Record | Skipped]:
        """Yield everybody who agrees, one at a time; who does not is not even counted here.

        Raises:
            LedgerError: the ledger failed.
        """
        work = None if self.work is None else str(self.work.absolute())
        await self.ledger.datasets.begin(self.dataset_id, work)
        self._exported = 0
        async for person_id in self.ledger.settings.consenting("training"):
            try:
                place = await self.ledger.datasets.place(self.dataset_id, person_id)
                record = None if place is None else await _record(self.ledger, person_id, place)
            except NotFoundError:
                continue  # erased meanwhile: then there is nobody to speak of
            if place is None:
                continue
            if record is None:
                yield Skipped(place.alias, "said nothing that may be used")
            else:
                self._exported += 1
                yield record

    async def snapshot(self) -> ConsentSnapshot:
        """Return who agrees now, and how many were exported."""
        consenting = [person async for person in self.ledger.settings.consenting("training")]
        people, cursor, more = 0, None, True
        while more:
            page, cursor = await self.ledger.users.list(cursor, _PAGE)
            people, more = people + len(page), cursor is not None
        return ConsentSnapshot(at=datetime.now(UTC), people=people, consenting=len(consenting), exported=self._exported)


async def _record(ledger: Ledger, person_id: str, place: Place) -> Record | None:
    settings = await ledger.settings.get(person_id)
    imported: dict[str, bool] = {}
    turns: list[Turn] = []
    async for conversation in conversations(ledger, person_id):
        said = [message async for message in path(ledger, person_id, conversation)]
        for message in without_crisis(_screened(said)):
            if message.status in _SHOWN and message.text.strip():
                turns.append(Turn(message.id, conversation.id, message.role, message.text, message.created_at))
                imported[message.id] = conversation.origin.startswith(_IMPORT)
    if not any(turn.role == "user" for turn in turns):
        return None
    memories = [memory async for memory in _memories(ledger, person_id, imported)] if settings.memory else []
    names = Pseudonyms.of(place.secret, _texts(turns, memories), settings.country)
    numbers: dict[str, int] = {}
    return Record(
        person=place.alias,
        source=NAME,
        where=place.alias,
        turns=tuple(
            replace(turn, text=names.replace(turn.text), conversation=_short(numbers, turn.conversation))
            for turn in turns
        ),
        memories=tuple(replace(memory, text=names.replace(memory.text)) for memory in memories),
        language=_language(turns),
        traits=await _traits(ledger, person_id, settings, imported),
    )


async def conversations(ledger: Ledger, person_id: str) -> AsyncIterator[Conversation]:
    """Yield what is not incognito, in the order in which it was begun."""
    found: list[Conversation] = []
    cursor, more = None, True
    while more:
        page, cursor = await ledger.conversations.list(person_id, cursor, _PAGE, archived=None, incognito=False)
        found += page
        more = cursor is not None
    for conversation in sorted(found, key=lambda one: (one.created_at, one.id)):
        yield conversation


async def path(ledger: Ledger, person_id: str, conversation: Conversation) -> AsyncIterator[Message]:
    """Yield the messages of the branch that was not left, oldest first."""
    cursor, more = None, True
    while more:
        page, cursor = await ledger.messages.list(person_id, conversation.id, cursor, _PAGE)
        for message in page:
            yield message
        more = cursor is not None


def _screened(path: Sequence[Message]) -> list[Message]:
    """Screen what never was, as imports of old versions were not."""
    said: list[str] = []
    screened: list[Message] = []
    for message in path:
        if message.role == "user" and message.crisis_level is None:
            message = replace(message, crisis_level=screen(message.text, said[-4:]).level)
        if message.role == "user":
            said.append(message.text)
        screened.append(message)
    return screened


async def _memories(ledger: Ledger, person_id: str, usable: Mapping[str, bool]) -> AsyncIterator[RecordMemory]:
    cursor, more = None, True
    while more:
        page, cursor = await ledger.facts.list(person_id, None, cursor, _PAGE)
        for fact in page:
            memory = _memory(fact, usable)
            if memory is not None:
                yield memory
        more = cursor is not None


def _memory(fact: Fact, imported: Mapping[str, bool]) -> RecordMemory | None:
    ids = list(dict.fromkeys(one.message_id for one in fact.evidence))
    usable = tuple(id for id in ids if id in imported)
    if ids and not usable:
        return None
    said_elsewhere = bool(usable) and all(imported[id] for id in usable)
    known = fact.valid_from if said_elsewhere and fact.origin != "edited" else fact.created_at or fact.valid_from
    return RecordMemory(
        id=fact.id,
        text=fact.text,
        label=fact.kind.value,
        at=max(known, fact.valid_from),
        until=None if fact.status == "active" else fact.valid_to or known,
        message_ids=usable,
        fact_id=fact.id,
        confidence=fact.confidence,
        unconfirmed=fact.unconfirmed,
    )


async def _traits(
    ledger: Ledger, person_id: str, settings: Settings, usable: Mapping[str, bool]
) -> dict[Trait, Posterior]:
    if not settings.persona:
        return {}
    evidence = [
        piece
        for piece in await ledger.traits.list(person_id)
        if not piece.evidence.message_id or piece.evidence.message_id in usable
    ]
    frozen = await ledger.trait_controls.frozen(person_id)
    estimates = persona(evidence, datetime.now(UTC), frozen=frozen).estimates
    return {
        trait.value: Posterior(one.mean, one.sd, one.evidence_count, shown(one).level)
        for trait, one in estimates.items()
        if one.evidence_count
    }


def _texts(turns: Sequence[Turn], memories: Sequence[RecordMemory]) -> Iterable[str]:
    return [turn.text for turn in turns] + [memory.text for memory in memories]


def _short(numbers: dict[str, int], conversation: str) -> str:
    return f"c{numbers.setdefault(conversation, len(numbers))}"


def _language(turns: Sequence[Turn]) -> str:
    found = detect_language(" ".join(turn.text for turn in turns if turn.role == "user")[:4000])
    return "und" if found == "other" else found
