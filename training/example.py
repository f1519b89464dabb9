"""One example: what a policy is asked, what only a judge may know besides, and its row of a data set, both ways.

It imports nothing of ours, so that the reward can read it in verl's environment. A row is what verl reads (`prompt`,
`data_source`, `ability`, `reward_model`, `extra_info`); whatever nests beyond lists of text stands in it as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, get_args

Category = Literal["emotional_support", "high_eq_interaction", "social_strategy"]
Dimension = Literal["resonation", "expression", "reception"]
Level = Literal["low", "medium", "high"]
Trait = Literal["openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism"]
Split = Literal["train", "test", "ood"]

CATEGORIES: tuple[Category, ...] = get_args(Category)
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
TRAITS: tuple[Trait, ...] = get_args(Trait)

DATA_SOURCE = "personaemp"


class PromptMessage(TypedDict):
    """One message of a prompt, in the form every chat API takes."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Memory:
    """One thing known about the person when they asked."""

    text: str
    fact_id: str | None = None
    """The ledger's id; None where the memory comes from elsewhere."""
    message_ids: tuple[str, ...] = ()
    """The messages it rests on."""
    profile: bool = False
    """It is known anyway: the query did not call it up."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing a good reply does for this person."""

    text: str
    weight: float
    """In percent of the set."""


@dataclass(frozen=True, slots=True)
class CriteriaSet:
    """One ruler for one dimension, written before any reply was seen."""

    criteria: tuple[Criterion, ...]
    writer: str
    """Hash of the model, prompt, rubric and sampling that wrote it; sets of different writers are never mixed."""


@dataclass(frozen=True, slots=True)
class Example:
    """One query of one person."""

    id: str
    person: str
    """A random id of the data set's own; whose it is stands in the ledger alone, and dies with the person there."""
    category: Category
    query: str
    prompt: tuple[PromptMessage, ...]
    """What the policy sees, as `assistant.prompt.compose` made it."""
    persona: str
    """For the judge."""
    situation: str
    """For the judge."""
    memory: tuple[Memory, ...]
    """What the policy may know, best first: what the query calls up, then the profile."""
    big_five: Mapping[Trait, Level]
    language: str = "en"
    """ISO 639-1; `und` where it could not be told."""
    split: Split | None = None
    origin: Literal["written", "real"] = "written"
    """Whether the query was written for a situation, or the person really sent it."""
    criteria: Mapping[Dimension, tuple[CriteriaSet, ...]] = field(default_factory=dict)
    message_ids: tuple[str, ...] = ()
    """Messages of the ledger that it was made from, besides those of its memories."""

    def row(self, index: int) -> dict[str, Any]:
        """Return the row of a data set, `index` being its place in its split."""
        return {
            "data_source": DATA_SOURCE,
            "prompt": [dict(message) for message in self.prompt],
            "ability": self.category,
            "reward_model": {"style": "model", "ground_truth": ""},
            "extra_info": {
                "id": self.id,
                "split": self.split or "",
                "index": index,
                "person": self.person,
                "category": self.category,
                "origin": self.origin,
                "language": self.language,
                "persona": self.persona,
                "situation": self.situation,
                "query": self.query,
                "memory": [memory.text for memory in self.memory],
                "memory_sources": json.dumps([_source(memory) for memory in self.memory]),
                "big_five": json.dumps(dict(self.big_five)),
                "criteria": json.dumps({name: _written(sets) for name, sets in self.criteria.items()}),
                "fact_ids": sorted({memory.fact_id for memory in self.memory if memory.fact_id}),
                "message_ids": sorted(
                    {*self.message_ids, *(id for memory in self.memory for id in memory.message_ids)}
                ),
            },
        }


def from_row(row: Mapping[str, Any]) -> Example:
    """Return the example that a row holds; the inverse of `Example.row`.

    Raises:
        KeyError, ValueError: the row is not one of ours; the caller names the file and the line.
    """
    extra = row["extra_info"]
    sources = json.loads(extra["memory_sources"])
    memory = tuple(
        Memory(str(text), fact_id, tuple(message_ids), *map(bool, anyway))
        for text, (fact_id, message_ids, *anyway) in zip(extra["memory"], sources, strict=True)
    )
    of_memories = {id for one in memory for id in one.message_ids}
    return Example(
        id=extra["id"],
        person=extra["person"],
        category=extra["category"],
        query=extra["query"],
        prompt=tuple(PromptMessage(role=one["role"], content=one["content"]) for one in row["prompt"]),
        persona=extra["persona"],
        situation=extra["situation"],
        memory=memory,
        big_five=json.loads(extra["big_five"]),
        language=extra["language"],
        split=extra["split"] or None,
        origin=extra["origin"],
        criteria=criteria_of(extra),
        message_ids=tuple(str(id) for id in extra["message_ids"] if str(id) not in of_memories),
    )


def criteria_of(extra_info: Mapping[str, Any]) -> dict[Dimension, tuple[CriteriaSet, ...]]:
    """Return the pools of criteria that a row's `extra_info` holds."""
    return {name: _read(sets) for name, sets in json.loads(extra_info["criteria"] or "{}").items()}


def _source(memory: Memory) -> list[Any]:
    return [memory.fact_id, list(memory.message_ids), *([True] if memory.profile else [])]


def _written(sets: Sequence[CriteriaSet]) -> list[dict[str, Any]]:
    return [{"writer": one.writer, "criteria": [[c.text, c.weight] for c in one.criteria]} for one in sets]


def _read(sets: Sequence[Mapping[str, Any]]) -> tuple[CriteriaSet, ...]:
    return tuple(
        CriteriaSet(tuple(Criterion(text, float(weight)) for text, weight in one["criteria"]), one["writer"])
        for one in sets
    )
