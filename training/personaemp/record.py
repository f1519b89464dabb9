"""One person's history, wherever it comes from: the value that sources yield and every stage of the building reads.

A record holds one person only, so that records can be streamed and forgotten one by one. Its words are pseudonymised
where the source's people are ours, and nothing in it was said in a crisis. What was known at some point of the history
is computed here (`known_at`) and never includes anything learnt later. It knows no database and no file format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from training.example import Level, Trait

Role = Literal["user", "assistant"]

ERROR_MARK = "[ERROR"
"""A memory whose text holds this was rejected by whoever checked it; it is kept, flagged, and grounds nothing."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    id: str
    """The ledger's message id, or one that is unique in the record."""
    conversation: str
    role: Role
    text: str
    at: datetime | None = None
    """None where the source has no dates; the order of the turns is then all that is known."""


@dataclass(frozen=True, slots=True)
class RecordMemory:
    """One thing known about the person."""

    id: str
    """Unique in the record."""
    text: str
    label: str = ""
    """The source's own label, such as `Social_Relationships/Family`; of the ledger, the kind of the fact."""
    label_suggestion: str = ""
    """What an annotator suggested where the taxonomy had no label (`UNMAPPED`)."""
    error: bool = False
    """Rejected by whoever checked it: counts as seen, never as known."""
    at: datetime | None = None
    """Since when it was known; None where the source has no dates."""
    until: datetime | None = None
    """When something newer took its place."""
    message_ids: tuple[str, ...] = ()
    """The turns it rests on."""
    fact_id: str | None = None
    """The ledger's id; None where the memory comes from elsewhere."""
    confidence: float = 1.0
    unconfirmed: bool = False
    """It was inferred, and the person has not said that it is right."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is believed of one trait, on the T-score scale, and the level that is shown for it."""

    mean: float
    sd: float
    evidence: int
    level: Level | None
    """None: not yet known."""


@dataclass(frozen=True, slots=True)
class Record:
    """One person's history."""

    person: str
    """A random id of the data set's own for people of the ledger; of other sources, the source and its id."""
    source: str
    """`ledger`, `alpsbench` or `jsonl`."""
    where: str
    """Where it was read, for messages: `people.jsonl:12`, or the person's id."""
    turns: tuple[Turn, ...]
    """Oldest first, conversation after conversation."""
    memories: tuple[RecordMemory, ...] = ()
    intents: tuple[str, ...] | None = None
    """Intent categories and subtypes; None where the source has no such labels."""
    language: str = "und"
    """ISO 639-1; `und` where it could not be told."""
    traits: Mapping[Trait, Posterior] = field(default_factory=dict)
    """What the ledger believes, where there is evidence."""

    def known(self) -> tuple[RecordMemory, ...]:
        """Return the memories that hold at the end of the history; rejected and superseded ones are not among them."""
        return tuple(memory for memory in self.memories if not memory.error and memory.until is None)

    def known_at(self, turn: Turn) -> tuple[RecordMemory, ...]:
        """Return the memories that were known when this turn was written, never later ones.

        A memory counts when it was known before the turn by its date, or, where there are no dates, when a turn that
        it rests on stands earlier. What neither a date nor a turn places in time was not known. Of the turns that a
        memory rests on, only the earlier ones are kept.
        """
        place = {one.id: number for number, one in enumerate(self.turns)}
        now = place[turn.id]

        def is_earlier(id: str) -> bool:
            if id not in place:
                return False
            other = self.turns[place[id]]
            if other.at is None or turn.at is None or other.conversation == turn.conversation:
                return place[id] < now
            return other.at < turn.at

        found = []
        for memory in self.memories:
            earlier = tuple(id for id in memory.message_ids if is_earlier(id))
            if not memory.error and _was_known(memory, turn, bool(earlier)):
                found.append(replace(memory, message_ids=earlier))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Skipped:
    """What a source could not use, and why; nothing of its words is quoted."""

    where: str
    """Such as `people.jsonl:12`."""
    reason: str


def _was_known(memory: RecordMemory, turn: Turn, said_earlier: bool) -> bool:
    if memory.at is None or turn.at is None:
        return said_earlier
    return memory.at < turn.at and (memory.until is None or turn.at <= memory.until)
