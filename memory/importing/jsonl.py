"""Messages as JSON lines: `{"user", "conversation", "role", "content", "created_at"}`, in the order they were said.

`created_at` is ISO 8601 with a zone, or seconds since 1970; where it is missing, dates are made up and marked so.
Conversations may be interleaved; the whole file is held while it is sorted into them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from memory.importing.history import History, Turn
from memory.importing.lines import Line, read_lines
from memory.ledger.columns import UnstorableError, storable

SOURCE = "jsonl"

_FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def _text(value: str) -> str:
    try:
        return storable(value)
    except UnstorableError as error:
        raise ValueError(str(error)) from None


Text = Annotated[str, AfterValidator(_text)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    user: Name | None = None
    conversation: Name
    role: Literal["user", "assistant"]
    content: Text = Field(min_length=1)
    created_at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A conversation and whose it is; None where the file does not say."""

    user: str | None
    history: History


def read_jsonl(path: Path) -> Iterator[Named | str]:
    """Yield each conversation, or in the place of a line why it was left out.

    Raises:
        ImportFileError: the file cannot be opened.
    """
    told: dict[tuple[str | None, str], list[_Said]] = {}
    for line in read_lines(path):
        said = _parse(line)
        if isinstance(said, str):
            yield f"line {line.number}: {said}"
        else:
            told.setdefault((said.user, said.conversation), []).append(said)
    for (user, key), turns in told.items():
        yield Named(user, _history(key, turns))


def _parse(line: Line) -> _Said | str:
    if line.problem:
        return line.problem
    try:
        return _Said.model_validate(json.loads(line.text))
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False, include_context=False)[0]
        return f"{'.'.join(map(str, wrong['loc'])) or 'the line'}: {wrong['msg']}"
    except (ValueError, RecursionError):
        return "not JSON"


def _history(key: str, said: list[_Said]) -> History:
    at = next((one.created_at for one in said if one.created_at is not None), None)
    dated, turns, last = at is not None, [], at or _FIRST_DAY
    for one in said:
        last = one.created_at or (last if dated else last + timedelta(minutes=1))
        turns.append(Turn(one.role, one.content, last))
    return History(SOURCE, (SOURCE, key), key, tuple(turns), synthetic_dates=not dated)
