"""AlpsBench records as people with a history: each record one person with one conversation, reflected on afterwards.

A record is `{"session_id", "dialogue": [{"role", "text"}, …], …}`, one a line; its memories, queries and other labels
are not read. A record is stored with its reflection jobs in one transaction and under ids made from the session, so an
import may be interrupted and run again and doubles nothing. Records carry no dates: the turns get increasing ones made
from the session, and the conversation says that they are synthetic.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from memory.config import ReflectionConfig
from memory.ids import derived_id, new_id
from memory.importing.lines import Line, read_lines
from memory.ledger.columns import UnstorableError, storable
from memory.ledger.ledger import Ledger
from memory.ledger.messages import JobRequest
from memory.reflect.turns import batches, reading_chars
from memory.types import Conversation, CrisisLevel, Message, Person, Role

ORIGIN = "import:alpsbench"

_FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_DAYS = 365
_BETWEEN_TURNS = timedelta(minutes=1)
_ROLES: dict[object, Role] = {"user": "user", "assistant": "assistant"}


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
class _Record:
    session_id: str
    turns: tuple[tuple[Role, str], ...]


class _UnreadableError(Exception):
    """The line is no record; the message says why and quotes nothing of it."""


async def import_alpsbench(
    ledger: Ledger,
    path: Path,
    *,
    limit: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    batch_chars: int | None = None,
    screen: Callable[[str], CrisisLevel] | None = None,
) -> ImportSummary:
    """Store the records of a .jsonl or .jsonl.gz file, and the jobs that reflect on them.

    Args:
        ledger: Where to.
        path: Read line by line, never held as a whole.
        limit: At most so many records.
        progress: Told after each record.
        batch_chars: The size of one job; None is the default of ReflectionConfig.
        screen: Finds the crisis level of what a person said; crisis turns are stored but never reflected on.

    Raises:
        ImportFileError: the file cannot be opened; single bad lines are skipped and named in the summary.
    """
    importing = _Importing(ledger, batch_chars or ReflectionConfig().batch_chars, screen)
    lines = read_lines(path)
    while limit is None or importing.records < limit:
        line = await asyncio.to_thread(next, lines, None)
        if line is None:
            break
        await importing.take(line)
        if progress is not None:
            progress(Progress(importing.records, limit))
    lines.close()
    if progress is not None:
        progress(Progress(importing.records, importing.records))
    return importing.summary()


class _Importing:
    """One import under way."""

    def __init__(self, ledger: Ledger, batch_chars: int, screen: Callable[[str], CrisisLevel] | None) -> None:
        self.records = 0
        self._ledger = ledger
        self._batch_chars = batch_chars
        self._screen = screen
        self._stored = self._messages = self._jobs = 0
        self._people: dict[str, None] = {}
        self._skipped: list[str] = []

    async def take(self, line: Line) -> None:
        try:
            record = _parse(line)
            await self._store(record)
        except _UnreadableError as reason:
            self._skipped.append(f"line {line.number}: {reason}")
        else:
            self.records += 1

    async def _store(self, record: _Record) -> None:
        person = await self._ledger.users.ensure_external("", f"alpsbench:{record.session_id}")
        conversation = _conversation(record, person)
        messages = list(self._told(record, conversation))
        jobs = list(self._reflections(messages))
        self._people[person.id] = None
        if await self._ledger.histories.add(conversation, messages, jobs):
            self._stored += 1
            self._messages += len(messages)
            self._jobs += len(jobs)

    def _told(self, record: _Record, conversation: Conversation) -> Iterator[Message]:
        parent_id = None
        for number, (role, text) in enumerate(record.turns):
            message = Message(
                id=new_id("msg"),
                conversation_id=conversation.id,
                person_id=conversation.person_id,
                parent_id=parent_id,
                role=role,
                text=text,
                created_at=conversation.created_at + number * _BETWEEN_TURNS,
                client_message_id=f"alpsbench:{record.session_id}:{number}",
                crisis_level=self._screen(text) if self._screen and role == "user" else None,
            )
            parent_id = message.id
            yield message

    def _reflections(self, messages: Sequence[Message]) -> Iterator[JobRequest]:
        sized = [(reading_chars(message.role, message.text), message) for message in messages]
        for batch in batches(sized, self._batch_chars):
            if any(message.role == "user" for message in batch):
                ids = [message.id for message in batch]
                yield "reflect", {"conversation_id": batch[0].conversation_id, "message_ids": ids}

    def summary(self) -> ImportSummary:
        return ImportSummary(
            people=self._stored,
            conversations=self._stored,
            messages=self._messages,
            jobs=self._jobs,
            already_there=self.records - self._stored,
            person_ids=tuple(self._people),
            skipped=tuple(self._skipped),
        )


def _parse(line: Line) -> _Record:
    if line.problem:
        raise _UnreadableError(line.problem)
    try:
        value = json.loads(line.text)
    except json.JSONDecodeError as error:
        raise _UnreadableError(f"not JSON at character {error.pos}: {error.msg}") from None
    except (RecursionError, ValueError):
        raise _UnreadableError("JSON that cannot be read") from None
    if not isinstance(value, dict):
        raise _UnreadableError("not a JSON object")
    session_id, dialogue = value.get("session_id"), value.get("dialogue")
    if not isinstance(session_id, str) or not 0 < len(session_id) <= 200:
        raise _UnreadableError("no session_id")
    if not isinstance(dialogue, list) or not dialogue:
        raise _UnreadableError("no dialogue")
    turns = tuple(turn for number, said in enumerate(dialogue) if (turn := _turn(number, said))[1].strip())
    if not turns:
        raise _UnreadableError("nothing was said in the dialogue")
    try:
        storable(session_id)
        for _, text in turns:
            storable(text)
    except UnstorableError as error:
        raise _UnreadableError(str(error)) from None
    return _Record(session_id, turns)


def _turn(number: int, said: Any) -> tuple[Role, str]:
    if not isinstance(said, dict):
        raise _UnreadableError(f"dialogue turn {number} is not an object")
    role, text = said.get("role"), said.get("text")
    if not isinstance(role, str) or role not in _ROLES:
        raise _UnreadableError(f"dialogue turn {number} has a role that is neither user nor assistant")
    if not isinstance(text, str):
        raise _UnreadableError(f"dialogue turn {number} has no text")
    return _ROLES[role], text


def _conversation(record: _Record, person: Person) -> Conversation:
    """Return the record's conversation; its id follows from the person, whose own id nobody can guess."""
    digest = hashlib.sha256(record.session_id.encode("utf-8", "surrogatepass")).digest()
    began = _FIRST_DAY + timedelta(minutes=int.from_bytes(digest[:4]) % (_DAYS * 24 * 60))
    return Conversation(
        id=derived_id("conv", person.id, record.session_id),
        person_id=person.id,
        title="",
        created_at=began,
        updated_at=began + (len(record.turns) - 1) * _BETWEEN_TURNS,
        origin=ORIGIN,
        synthetic_dates=True,
    )
