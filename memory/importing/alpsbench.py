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
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from memory.config import ReflectionConfig
from memory.importing.history import History, Import, ImportSummary, Progress, Turn
from memory.importing.lines import Line, read_lines
from memory.ledger.columns import UnstorableError, storable
from memory.ledger.ledger import Ledger
from memory.types import CrisisLevel, Role

SOURCE = "alpsbench"
ORIGIN = f"import:{SOURCE}"

_FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_DAYS = 365
_BETWEEN_TURNS = timedelta(minutes=1)
_ROLES: dict[object, Role] = {"user": "user", "assistant": "assistant"}


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
    importing = Import(ledger, screen, batch_chars or ReflectionConfig().batch_chars)
    lines = read_lines(path)
    while limit is None or importing.read < limit:
        line = await asyncio.to_thread(next, lines, None)
        if line is None:
            break
        await _take(ledger, importing, line)
        if progress is not None:
            progress(Progress(importing.read, limit))
    lines.close()
    if progress is not None:
        progress(Progress(importing.read, importing.read))
    summary = importing.summary()
    return replace(summary, people=summary.conversations)


async def _take(ledger: Ledger, importing: Import, line: Line) -> None:
    try:
        record = _parse(line)
    except _UnreadableError as reason:
        importing.skip(f"line {line.number}: {reason}")
    else:
        person = await ledger.users.ensure_external("", f"alpsbench:{record.session_id}")
        await importing.take(person.id, _history(record))


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


def _history(record: _Record) -> History:
    digest = hashlib.sha256(record.session_id.encode("utf-8", "surrogatepass")).digest()
    began = _FIRST_DAY + timedelta(minutes=int.from_bytes(digest[:4]) % (_DAYS * 24 * 60))
    turns = [Turn(role, text, began + number * _BETWEEN_TURNS) for number, (role, text) in enumerate(record.turns)]
    return History(SOURCE, (record.session_id,), record.session_id, tuple(turns), synthetic_dates=True)
