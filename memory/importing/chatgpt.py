"""A ChatGPT data export: its conversations.json, or the zip it comes in, as one person's history.

Each conversation is a tree; what is imported is the branch that was shown last, without variants, files, tool calls
and hidden messages. What cannot be read is left out and said, conversation by conversation.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from memory.errors import ImportFileError
from memory.importing.elements import elements
from memory.importing.history import History, Turn
from memory.ledger.columns import UnstorableError, storable
from memory.types import Role

SOURCE = "chatgpt"

_FILES = re.compile(r"(?:.*/)?conversations(?:-\d+)?\.json")
_ROLES: Mapping[object, Role] = {"user": "user", "assistant": "assistant"}
_SAID = ("text", "multimodal_text")
_FIRST = datetime(2022, 11, 1, tzinfo=UTC)
_MAX_UNPACKED_BYTES = 16 << 30


class UnreadableError(Exception):
    """The conversation cannot be read; the message says why and quotes nothing of it."""


def read_chatgpt(path: Path) -> Iterator[History | str]:
    """Yield each conversation, or in its place why it was left out.

    Raises:
        ImportFileError: the file is no such export, or is damaged; what was yielded before was whole.
    """
    try:
        with ExitStack() as stack:
            number = 0
            for name, file in _files(path, stack):
                for element in elements(name, file):
                    number += 1
                    yield _read(number, element)
    except (OSError, zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise ImportFileError(f"cannot read {path}: {error}") from error


def _files(path: Path, stack: ExitStack) -> Iterator[tuple[str, Any]]:
    if not zipfile.is_zipfile(path):
        yield str(path), stack.enter_context(path.open("rb"))
        return
    packed = stack.enter_context(zipfile.ZipFile(path))
    found = sorted((one for one in packed.infolist() if _FILES.fullmatch(one.filename)), key=lambda one: one.filename)
    if not found:
        raise ImportFileError(f"{path} holds no conversations.json: it is no ChatGPT data export")
    if sum(one.file_size for one in found) > _MAX_UNPACKED_BYTES:
        raise ImportFileError(f"{path} unpacks to more than {_MAX_UNPACKED_BYTES >> 30} GiB")
    for one in found:
        yield f"{path}: {one.filename}", stack.enter_context(packed.open(one))


def _read(number: int, element: Any) -> History | str:
    try:
        return _history(element)
    except UnreadableError as reason:
        return f"conversation {number}: {reason}"


def _history(element: Any) -> History:
    if not isinstance(element, dict) or not isinstance(element.get("mapping"), dict):
        raise UnreadableError("not a conversation")
    key = element.get("conversation_id") or element.get("id")
    if not isinstance(key, str) or not 0 < len(key) <= 200:
        raise UnreadableError("no id")
    began = _time(element.get("create_time"))
    turns, latest, dated = [], began or _FIRST, began is not None
    for message in _branch(element["mapping"], element.get("current_node")):
        role, text = _said(message)
        if role is None or not text.strip():
            continue
        at = _time(message.get("create_time"))
        dated = dated or at is not None
        latest = at or latest
        turns.append(Turn(role, text, latest))
    if not turns:
        raise UnreadableError("nothing was said in it")
    title = element.get("title")
    title = title if isinstance(title, str) else ""
    try:
        for text in (key, title, *(turn.text for turn in turns)):
            storable(text)
    except UnstorableError as error:
        raise UnreadableError(str(error)) from None
    return History(SOURCE, (SOURCE, key), key, tuple(turns), title=title[:200], synthetic_dates=not dated)


def _branch(mapping: Mapping[str, Any], current: Any) -> list[dict[str, Any]]:
    """Return the messages from the root to the current node; without one, to the newest leaf."""
    nodes = {key: node for key, node in mapping.items() if isinstance(node, dict)}
    at = current if isinstance(current, str) and current in nodes else _newest_leaf(nodes)
    found, seen = [], set[str]()
    while isinstance(at, str) and at in nodes and at not in seen:
        seen.add(at)
        message = nodes[at].get("message")
        if isinstance(message, dict):
            found.append(message)
        at = nodes[at].get("parent")
    return found[::-1]


def _newest_leaf(nodes: Mapping[str, Mapping[str, Any]]) -> str | None:
    parents = {node.get("parent") for node in nodes.values() if isinstance(node.get("parent"), str)}
    leaves = [key for key in nodes if key not in parents]

    def newness(key: str) -> datetime:
        message = nodes[key].get("message")
        return (_time(message.get("create_time")) if isinstance(message, dict) else None) or _FIRST

    return max(leaves, key=newness, default=None)


def _said(message: Mapping[str, Any]) -> tuple[Role | None, str]:
    author, content, about = message.get("author"), message.get("content"), message.get("metadata")
    role = author.get("role") if isinstance(author, dict) else None
    hidden = isinstance(about, dict) and bool(about.get("is_visually_hidden_from_conversation"))
    aside = message.get("recipient", "all") not in ("all", None)
    if not isinstance(role, str) or role not in _ROLES or hidden or aside or not isinstance(content, dict):
        return None, ""
    if content.get("content_type") not in _SAID:
        return None, ""
    parts = content.get("parts")
    return _ROLES[role], "\n".join(filter(None, map(_part, parts if isinstance(parts, list) else [])))


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    spoken = part.get("text") if isinstance(part, dict) and part.get("content_type") == "audio_transcription" else None
    return spoken if isinstance(spoken, str) else ""


def _time(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value) if 0 < value < 1e11 else None
    return at if at is not None and at < datetime.now(UTC) + timedelta(days=1) else None
