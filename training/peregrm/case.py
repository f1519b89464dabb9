"""What a judge is shown: the case of one person who wrote, and one reply to it, thinking apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assistant.models.thinking import visible
from training.example import Example

_OPEN, _CLOSE = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Case:
    """One query, and what only a judge may know besides."""

    id: str
    """Of the example; with the step it decides which rulers are drawn."""
    query: str
    persona: str
    situation: str
    memories: tuple[str, ...]
    person: str = ""
    """The data set's id of the person, under which cached answers can be forgotten."""

    @classmethod
    def of(cls, example: Example) -> Case:
        """Return the case of an example."""
        memories = tuple(memory.text for memory in example.memory)
        return cls(example.id, example.query, example.persona, example.situation, memories, example.person)

    @classmethod
    def of_row(cls, extra_info: Mapping[str, Any]) -> Case:
        """Return the case that the `extra_info` of a data set's row holds; lists may have become arrays."""
        return cls(
            id=str(extra_info["id"]),
            query=str(extra_info["query"]),
            persona=str(extra_info["persona"]),
            situation=str(extra_info["situation"]),
            memories=tuple(str(memory) for memory in extra_info["memory"]),
            person=str(extra_info["person"]),
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What the policy wrote."""

    text: str
    """What the person would see."""
    notes: str = ""
    """What stood in its thinking section."""

    @classmethod
    def of(cls, solution: str) -> Reply:
        """Take a whole output apart; a section that never closes leaves an empty reply."""
        inside = _CLOSE in solution and _OPEN not in solution.partition(_CLOSE)[0]
        text = visible(solution, inside=inside).strip()
        opened = solution if inside else solution.partition(_OPEN)[2]
        return cls(text, opened.partition(_CLOSE)[0].strip())
