"""A conversation that took place elsewhere, put into the ledger with the jobs that reflect on it.

Its id is made from the person and from what it is called elsewhere, and it is stored whole, in one transaction: so an
import may be interrupted and run again and doubles nothing. One that is there is left as it is, also when it has grown
elsewhere since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from memory.ids import derived_id, new_id
from memory.ledger.ledger import Ledger
from memory.ledger.messages import JobRequest
from memory.reflect.turns import batches, reading_chars
from memory.types import Conversation, CrisisLevel, Message, Role

Screen = Callable[[str], CrisisLevel]
"""Finds the crisis level of what a person said; crisis turns are stored but never reflected on."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the reading is, in records."""

    done: int
    total: int | None = None
    """None while the file has not been read to its end."""


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import stored; what had been stored by an earlier run is not counted again."""

    people: int = 0
    conversations: int = 0
    messages: int = 0
    jobs: int = 0
    already_there: int = 0
    """Records that an earlier run had stored."""
    person_ids: tuple[str, ...] = ()
    """Everybody in the file, whenever they were stored."""
    skipped: tuple[str, ...] = ()
    """Lines left out, as `line 12: why`."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that was said."""

    role: Role
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """One conversation from elsewhere, oldest turn first; there is at least one."""

    source: str
    parts: tuple[str, ...]
    """What the id is made from, besides the person."""
    key: str
    """What it is called elsewhere."""
    turns: tuple[Turn, ...]
    title: str = ""
    synthetic_dates: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored of one conversation; nothing when it was there."""

    messages: int = 0
    jobs: int = 0


async def store(ledger: Ledger, person_id: str, history: History, batch_chars: int, screen: Screen | None) -> Stored:
    """Store a conversation as this person's, unless it is there, with the jobs that reflect on it.

    Raises:
        NotFoundError: there is no such person.
        LedgerError: it could not be stored.
    """
    conversation = Conversation(
        id=derived_id("conv", person_id, *history.parts),
        person_id=person_id,
        title=history.title,
        created_at=history.turns[0].at,
        updated_at=max(turn.at for turn in history.turns),
        origin=f"import:{history.source}",
        synthetic_dates=history.synthetic_dates,
    )
    messages = list(_told(history, conversation, screen))
    jobs = list(_reflections(messages, batch_chars))
    if not await ledger.histories.add(conversation, messages, jobs):
        return Stored()
    return Stored(len(messages), len(jobs))


def _told(history: History, conversation: Conversation, screen: Screen | None) -> Iterator[Message]:
    parent_id = None
    for number, turn in enumerate(history.turns):
        message = Message(
            id=new_id("msg"),
            conversation_id=conversation.id,
            person_id=conversation.person_id,
            parent_id=parent_id,
            role=turn.role,
            text=turn.text,
            created_at=turn.at,
            client_message_id=f"{history.source}:{history.key}:{number}",
            crisis_level=screen(turn.text) if screen and turn.role == "user" else None,
        )
        parent_id = message.id
        yield message


def _reflections(messages: Sequence[Message], batch_chars: int) -> Iterator[JobRequest]:
    sized = [(reading_chars(message.role, message.text), message) for message in messages]
    for batch in batches(sized, batch_chars):
        if any(message.role == "user" for message in batch):
            ids = [message.id for message in batch]
            yield "reflect", {"conversation_id": batch[0].conversation_id, "message_ids": ids}


class Import:
    """One import under way: stores what it is given and counts."""

    def __init__(self, ledger: Ledger, screen: Screen | None, batch_chars: int) -> None:
        self.read = 0
        self._ledger, self._screen, self._batch_chars = ledger, screen, batch_chars
        self._stored = self._messages = self._jobs = 0
        self._people: dict[str, None] = {}
        self._skipped: list[str] = []

    async def take(self, person_id: str, history: History) -> None:
        """Store a conversation as this person's, unless it is there.

        Raises:
            LedgerError: it could not be stored.
        """
        stored = await store(self._ledger, person_id, history, self._batch_chars, self._screen)
        self.read += 1
        self._people[person_id] = None
        self._stored += stored.messages > 0
        self._messages += stored.messages
        self._jobs += stored.jobs

    def skip(self, reason: str) -> None:
        """Note what was left out."""
        self._skipped.append(reason)

    def summary(self) -> ImportSummary:
        """Return what was stored."""
        return ImportSummary(
            people=len(self._people),
            conversations=self._stored,
            messages=self._messages,
            jobs=self._jobs,
            already_there=self.read - self._stored,
            person_ids=tuple(self._people),
            skipped=tuple(self._skipped),
        )
