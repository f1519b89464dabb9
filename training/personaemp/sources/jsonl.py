"""Conversations from elsewhere: one message a line, `{"user", "conversation", "role", "content", "created_at"}`.

Lines may come in any order, so they go through a scratch file and not through memory. People get random ids and
pseudonyms under the data set's secret. Facts are found by the rules that work without a language model; crisis turns
and the replies to them are left out. `conversation` and `created_at` (ISO 8601 or seconds since 1970) may be missing:
the file's order counts then.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from assistant.language import detect_language
from assistant.safety.screen import screen
from memory.importing.lines import Line, read_lines
from memory.reflect.offline import reflect_offline
from memory.reflect.turns import without_crisis
from memory.types import Message, Role
from training.personaemp.pseudonyms import Pseudonyms
from training.personaemp.record import Record, RecordMemory, Skipped, Turn

NAME = "jsonl"

_UNDATED = datetime(1970, 1, 1, tzinfo=UTC)
_TABLE = """
CREATE TABLE said (person TEXT, conversation TEXT, at REAL, line INTEGER, role TEXT, text TEXT);
"""
_ORDER = "CREATE INDEX by_person ON said (person, conversation, at, line)"


class _UnusableError(Exception):
    """The line holds no message; the message says why and quotes nothing of it."""


def read_jsonl(path: Path, secret: str) -> Iterator[Record | Skipped]:
    """Yield the people of a file, and the lines that could not be used.

    Raises:
        ImportFileError: the file cannot be opened.
    """
    with closing(sqlite3.connect("", isolation_level=None)) as scratch:
        scratch.executescript("PRAGMA cache_size=-4096;" + _TABLE + "BEGIN")
        for line in read_lines(path):
            try:
                scratch.execute("INSERT INTO said VALUES (?, ?, ?, ?, ?, ?)", _message(line))
            except _UnusableError as error:
                yield Skipped(f"{path.name}:{line.number}", str(error))
        scratch.execute(_ORDER)
        rows = scratch.execute("SELECT * FROM said ORDER BY person, conversation, at, line")
        for user, said in groupby(rows, key=lambda row: str(row[0])):
            digest = hmac.new(secret.encode(), f"jsonl\0{user}".encode(), hashlib.sha256).hexdigest()
            yield _record(f"u_{digest[:16]}", digest[16:], path.name, list(said))


def _message(line: Line) -> tuple[str, str, float | None, int, str, str]:
    if line.problem:
        raise _UnusableError(line.problem)
    try:
        values = json.loads(line.text)
    except (ValueError, RecursionError):
        raise _UnusableError("not JSON") from None
    if not isinstance(values, dict):
        raise _UnusableError("not a JSON object")
    user, role, text = (values.get(name) for name in ("user", "role", "content"))
    if not isinstance(user, str | int) or not str(user):
        raise _UnusableError("no user")
    if role not in ("user", "assistant"):
        raise _UnusableError("a role that is neither user nor assistant")
    if not isinstance(text, str) or not text.strip():
        raise _UnusableError("no content")
    kept = (str(user), str(values.get("conversation", "")), _time(values), line.number, str(role), text)
    try:
        "".join(part for part in kept if isinstance(part, str)).encode()
    except UnicodeEncodeError:
        raise _UnusableError("a lone surrogate: it is not Unicode") from None
    return kept


def _time(values: Mapping[str, Any]) -> float | None:
    at = values.get("created_at")
    try:
        if at is None:
            return None
        if isinstance(at, int | float) and not isinstance(at, bool):
            return datetime.fromtimestamp(at, UTC).timestamp()
        read = datetime.fromisoformat(at)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        raise _UnusableError("created_at is no time: use ISO 8601 or seconds since 1970") from None


def _record(person: str, secret: str, file: str, rows: Sequence[tuple[Any, ...]]) -> Record:
    names = Pseudonyms.of(secret, (row[5] for row in rows))
    turns: list[Turn] = []
    memories: list[RecordMemory] = []
    numbered: dict[str, int] = {}
    for conversation, said in groupby(rows, key=lambda row: str(row[1])):
        # The name of a conversation may say who somebody is.
        short = f"c{numbered.setdefault(conversation, len(numbered))}"
        kept = without_crisis(list(_screened(short, person, list(said))))
        dated = {row[3]: row[2] is not None for row in rows}
        for message in kept:
            at = message.created_at if dated[int(message.id[1:])] else None
            turns.append(Turn(message.id, short, message.role, names.replace(message.text), at))
        for fact in reflect_offline(kept).facts:
            ids = tuple(dict.fromkeys(one.message_id for one in fact.evidence))
            # What was said in a turn is known after it.
            memory = RecordMemory(f"m{len(memories)}", names.replace(fact.text), fact.kind.value, message_ids=ids)
            memories.append(replace(memory, confidence=fact.confidence))
    language = detect_language(" ".join(turn.text for turn in turns if turn.role == "user")[:4000]) if turns else "und"
    where = f"{file}:{rows[0][3]}"
    return Record(person, NAME, where, tuple(turns), tuple(memories), language={"other": "und"}.get(language, language))


def _screened(conversation: str, person: str, said: Sequence[tuple[Any, ...]]) -> Iterator[Message]:
    before: str | None = None
    earlier: list[str] = []
    for _, _, at, line, role, text in said:
        speaker: Role = "user" if role == "user" else "assistant"
        level = screen(text, earlier[-4:]).level if speaker == "user" else None
        if speaker == "user":
            earlier.append(text)
        when = datetime.fromtimestamp(at, UTC) if at is not None else _UNDATED
        yield Message(f"l{line}", conversation, person, before, speaker, text, when, crisis_level=level)
        before = f"l{line}"
