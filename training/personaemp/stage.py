"""One question of the building to a model: its prompt file, the schema of its answer, and the call made of both.

The prompt of stage `x` is `x.md` beside its code. What people said enters it as JSON values, one a line: no text can
end its line, so that none can pose as part of the question.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memory.template import fill, load
from training.calls import Call
from training.personaemp.record import RecordMemory, Turn

TURNS = 12
TURN_CHARS = 5_000
"""The last turns of a history, at most so many and so long in all."""
MEMORY_CHARS = 12_000
"""The memories in view, at most so long in all; the newest stay."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that asks a model."""

    name: str
    """Also the stem of its prompt file, and the tag of its calls."""
    schema: Mapping[str, Any]
    answer_tokens: int
    """About how long its answers are; for estimates."""
    max_tokens: int

    def call(self, owner: str, seed: int, **values: str) -> Call:
        """Return the question with `values` filled in; `owner` is whose words are in it."""
        message = {"role": "user", "content": fill(load("training.personaemp", f"{self.name}.md"), **values)}
        return Call([message], self.schema, max_tokens=self.max_tokens, seed=seed, tag=self.name, owner=owner)

    @property
    def prompt_hash(self) -> str:
        """A hash of the prompt file and of the schema."""
        text = load("training.personaemp", f"{self.name}.md") + json.dumps(self.schema, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def answer_schema(title: str, **properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with exactly these properties, all of them required."""
    return {
        "title": title,
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def numbered(memories: Sequence[RecordMemory], shown: Iterable[RecordMemory]) -> str:
    """Return the `shown` ones of `memories` as lines of data, numbered by their place in all of them.

    A place that is not shown belongs to a memory that must not be used, so that naming its number gives a model away.
    """
    wanted = {memory.id for memory in shown}
    lines: dict[int, str] = {}
    room = MEMORY_CHARS
    newest_first = sorted(enumerate(memories, 1), key=lambda one: (_age(one[1]), one[0]), reverse=True)
    for number, memory in newest_first:
        line = _line({"number": number, "memory": memory.text})
        if memory.id in wanted and len(line) <= room:
            room -= len(line)
            lines[number] = line
    return "\n".join(lines[number] for number in sorted(lines)) or "(none)"


def dialogue(turns: Sequence[Turn], count: int = TURNS, chars: int = TURN_CHARS) -> str:
    """Return the last turns as lines of data; a turn too long for the room that is left keeps its beginning."""
    lines: list[str] = []
    room = chars
    for turn in reversed(turns[-count:]):
        if room <= 0:
            break
        text = turn.text[:room]
        room -= len(text)
        lines.append(_line({"by": "person" if turn.role == "user" else "assistant", "text": text}))
    return "\n".join(reversed(lines)) or "(none)"


def data(text: str) -> str:
    """Return a text as one line of data."""
    return json.dumps(text, ensure_ascii=False)


def _age(memory: RecordMemory) -> float:
    return memory.at.timestamp() if memory.at else 0.0


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
