"""AlpsBench sessions as records: one person a line, with the memories that annotators found in their conversation.

A file is read line by line, gzipped or not. A line that holds no session is skipped and said by its number; a memory
without words is left out and said; one that annotators rejected (`[ERROR`) is kept and flagged. Sessions have no dates:
a memory is placed in time by the turn that it was found in. Intents are read where a release has them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from memory.importing.lines import Line, read_lines
from training.personaemp.record import ERROR_MARK, Record, RecordMemory, Role, Skipped, Turn

NAME = "alpsbench"

_INTENT_KEYS = ("intent_category", "intent_subtype", "category", "subtype")
_ROLES: dict[object, Role] = {"user": "user", "assistant": "assistant"}


class _UnusableError(Exception):
    """The line holds no session; the message says why and quotes nothing of it."""


def read_alpsbench(path: Path) -> Iterator[Record | Skipped]:
    """Yield the sessions of a file, and what could not be used of it.

    Raises:
        ImportFileError: the file cannot be opened.
    """
    seen: set[bytes] = set()
    for line in read_lines(path):
        where = f"{path.name}:{line.number}"
        try:
            session, values = _session(line)
            digest = hashlib.sha256(session.encode("utf-8", "surrogatepass")).digest()[:12]
            if digest in seen:
                raise _UnusableError("the same session as an earlier line")
            turns = tuple(_turns(_dialogue(values), session))
            if not any(turn.role == "user" for turn in turns):
                raise _UnusableError("nobody says anything in the dialogue")
        except _UnusableError as error:
            yield Skipped(where, str(error))
            continue
        seen.add(digest)
        memories: list[RecordMemory] = []
        for number, value in enumerate(_list(values.get("memories")) or _list(values.get("memory_items"))):
            memory = _memory(number, value, turns)
            if memory is None:
                yield Skipped(where, "a memory has no words")
            else:
                memories.append(memory)
        person = f"a_{digest.hex()[:16]}"
        yield Record(person, NAME, where, turns, tuple(_unique(memories)), intents=_intents(values))


def _session(line: Line) -> tuple[str, Mapping[str, Any]]:
    if line.problem:
        raise _UnusableError(line.problem)
    try:
        values = json.loads(line.text)
    except (ValueError, RecursionError):
        raise _UnusableError("not JSON") from None
    if not isinstance(values, dict):
        raise _UnusableError("not a JSON object")
    sessions = [one.get("session_id") for one in _list(values.get("sessions")) if isinstance(one, dict)]
    session = values.get("session_id") or next(iter(sessions), None)
    if not isinstance(session, str) or not session:
        raise _UnusableError("no session_id")
    return session, values


def _dialogue(values: Mapping[str, Any]) -> object:
    """Return what was said, in whichever of the releases' forms it stands."""
    sessions = [one for one in _list(values.get("sessions")) if isinstance(one, dict)]
    return values.get("dialogue") or [turn for one in sessions for turn in _list(one.get("turns"))]


def _turns(dialogue: object, session: str) -> Iterator[Turn]:
    if not isinstance(dialogue, list) or not dialogue:
        raise _UnusableError("no dialogue")
    for number, said in enumerate(dialogue):
        role = _ROLES.get(said.get("role")) if isinstance(said, dict) and isinstance(said.get("role"), str) else None
        text = said.get("text") if isinstance(said, dict) else None
        if role is None or not isinstance(text, str):
            raise _UnusableError(f"turn {number} of the dialogue has no role or no text")
        if text.strip():
            yield Turn(f"t{number}", session, role, text)


def _memory(number: int, value: object, turns: Sequence[Turn]) -> RecordMemory | None:
    if not isinstance(value, dict) or not isinstance(value.get("value"), str) or not value["value"].strip():
        return None
    evidence = value.get("evidence") if isinstance(value.get("evidence"), dict) else {}
    confidence = value.get("confidence")
    return RecordMemory(
        id=_text(value.get("memory_id")) or f"n{number}",
        text=value["value"],
        label=_text(value.get("label")),
        label_suggestion=_text(value.get("label_suggestion")),
        error=ERROR_MARK in value["value"].upper(),
        message_ids=_found_in(evidence or {}, turns),
        confidence=float(confidence) if isinstance(confidence, int | float) and 0 <= confidence <= 1 else 1.0,
    )


def _found_in(evidence: Mapping[str, Any], turns: Sequence[Turn]) -> tuple[str, ...]:
    """Return the turn that a memory was found in: where the words stand, else the one that the annotation numbers."""
    words = " ".join(_text(evidence.get("text")).casefold().split())
    named = f"t{evidence.get('utterance_index')}"
    ids = [turn.id for turn in turns if words and words in " ".join(turn.text.casefold().split())]
    known = {turn.id for turn in turns}
    if named in ids or (not ids and named in known):
        return (named,)
    return tuple(ids[:1])


def _unique(memories: Sequence[RecordMemory]) -> Iterator[RecordMemory]:
    seen: set[str] = set()
    for number, memory in enumerate(memories):
        id = memory.id if memory.id not in seen else f"{memory.id}-{number}"
        seen.add(id)
        yield memory if id == memory.id else replace(memory, id=id)


def _intents(values: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the categories and subtypes of intent, in whichever of their forms they stand; None without any."""
    found: list[str] = []
    for name in ("intents_ranked", "intents", "intent"):
        for one in _list(values.get(name)) or [values.get(name)]:
            parts = [one.get(key) for key in _INTENT_KEYS] if isinstance(one, dict) else [one]
            found += [part for part in parts if isinstance(part, str) and part.strip()]
    return tuple(dict.fromkeys(found)) or None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
