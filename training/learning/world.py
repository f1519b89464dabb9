"""A made world: kinds of people, what shows them, what helps them, and so the score of every reply, by rule.

A person is of one kind, and two memories show it; no two people share those two. The persona that a judge sees tells
the kind; the policy sees memories and a query. Everything follows from world.toml and a seed. It calls no model.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from statistics import fmean

from pydantic import BaseModel, ConfigDict, Field

from memory.template import fill, load
from training.errors import DatasetError
from training.example import DIMENSIONS, TRAITS, CriteriaSet, Criterion, Example, Level, Memory, PromptMessage, Trait
from training.peregrm.arithmetic import reward
from training.personaemp.split import SplitRule, plan_splits, profile_of

HELD_OUT_SHARE = 0.25
BYSTANDER_POINTS = 20
"""What the bystander gives in each of its five measures, whatever the reply: here it has no say."""
_TOP = 5.0
_NOTHING = "nothing"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Kind(_Table):
    """One kind of person."""

    trait: Trait
    """The one that is high."""
    persona: str
    """What the judge is told."""
    strategy: str
    reply: str
    """The one that helps."""
    memories: tuple[str, ...] = Field(min_length=3)
    """Each shows the kind."""


class Points(_Table):
    """What the judge gives in each dimension."""

    fits: int
    other: int
    """A reply that helps another kind."""
    generic: int
    broken: int
    """Whatever is none of the world's replies, an echo among it."""


class Replies(_Table):
    """Replies that help nobody in particular."""

    generic: str
    echo: str
    """Says a memory back."""


class Queries(_Table):
    """What people write; it says nothing about their kind."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


class Neutral(_Table):
    """What shows no kind."""

    memories: tuple[str, ...]


class World(_Table):
    """Everything there is."""

    points: Points
    replies: Replies
    queries: Queries
    neutral: Neutral
    kinds: Mapping[str, Kind]

    def repertoire(self) -> tuple[str, ...]:
        """Return the replies that are worth something to somebody."""
        return (*(kind.reply for kind in self.kinds.values()), self.replies.generic)

    def echo(self, memory: str) -> str:
        """Return the reply that says a memory back."""
        return fill(self.replies.echo, memory=memory)

    def kind_of(self, persona: str) -> str | None:
        """Return whom a judge's persona describes."""
        return next((name for name, kind in self.kinds.items() if kind.persona == persona), None)

    def grade(self, kind: str, reply: str) -> int:
        """Return the points of a reply to a person of a kind."""
        said = reply.strip()
        if said == self.kinds[kind].reply:
            return self.points.fits
        if said == self.replies.generic:
            return self.points.generic
        return self.points.other if said in self.repertoire() else self.points.broken

    def score(self, kind: str, reply: str) -> float:
        """Return the reward of a reply to a person of a kind."""
        points = float(self.grade(kind, reply))
        rounds = dict.fromkeys(map(str, DIMENSIONS), (points,))
        tops = dict.fromkeys(map(str, DIMENSIONS), _TOP)
        return reward(rounds, tops, [BYSTANDER_POINTS] * 5, combine="harmonic", penalty=0.5).value


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody."""

    id: str
    kind: str
    showing: frozenset[str]
    """The two memories that show the kind, and that nobody else has together."""
    memories: tuple[str, ...]
    """All that is known, in the order in which the policy sees it."""


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody of one seed."""

    train: tuple[Person, ...]
    held_out: tuple[Person, ...]
    rule: SplitRule
    """Divides the data set's people in the same way."""


@cache
def load_world() -> World:
    """Read world.toml."""
    return World.model_validate(tomllib.loads(load("training.learning", "world.toml")))


def populate(world: World, seed: int) -> Population:
    """Make everybody, and divide them as a data set's people are divided."""
    chance = random.Random(f"people {seed}")
    pairs = [(name, pair) for name, kind in world.kinds.items() for pair in combinations(kind.memories, 2)]
    chance.shuffle(pairs)
    people = []
    for number, (kind, pair) in enumerate(pairs):
        memories = [*pair, chance.choice(world.neutral.memories)]
        chance.shuffle(memories)
        people.append(Person(f"person_{number:03}", kind, frozenset(pair), tuple(memories)))
    rule = SplitRule(seed=seed, test_share=HELD_OUT_SHARE, ood=False)
    splits = plan_splits({one.id: profile_of(traits(world, one)) for one in people}, rule).splits
    train, held_out = (tuple(one for one in people if splits[one.id] == split) for split in ("train", "test"))
    return Population(train, held_out, rule)


def require_unseen(population: Population, texts: Sequence[str]) -> None:
    """Return when no held-out person, by the two memories that show the kind, is in what is taught or trained on.

    Raises:
        DatasetError: one is.
    """
    for person in population.held_out:
        if any(all(memory in text for memory in person.showing) for text in texts):
            raise DatasetError(f"the held-out {person.id} stands in what comes before; this proof would prove nothing")


def traits(world: World, person: Person) -> dict[Trait, Level]:
    """Return a person's five levels."""
    high = world.kinds[person.kind].trait
    return {trait: "high" if trait == high else "medium" for trait in TRAITS}


def prompt(memories: Sequence[str], query: str) -> tuple[PromptMessage, ...]:
    """Return what the policy sees."""
    return (PromptMessage(role="user", content=f"Known: {'; '.join(memories) or _NOTHING}.\n{query}"),)


def examples(world: World, person: Person, queries: Sequence[str]) -> list[Example]:
    """Return a person's rows of a data set, with one ruler for each dimension."""
    kind = world.kinds[person.kind]
    ruler = CriteriaSet((Criterion(f"Offers {kind.strategy}.", 100.0),), "world-0000")
    return [
        Example(
            id=f"{person.id}-{number}",
            person=person.id,
            category="emotional_support",
            query=query,
            prompt=prompt(person.memories, query),
            persona=kind.persona,
            situation="Just now.",
            memory=tuple(Memory(text) for text in person.memories),
            big_five=traits(world, person),
            criteria=dict.fromkeys(DIMENSIONS, (ruler,)),
        )
        for number, query in enumerate(queries)
    ]


def blind_best(world: World, people: Sequence[Person]) -> float:
    """Return the best mean score that any policy can reach which does not see who it is that writes.

    Such a policy draws its reply from a distribution that is the same for everybody. The mean is linear in it, so the
    best is a single reply; of the replies outside the repertoire none is worth more than one within.
    """
    return max(fmean(world.score(person.kind, reply) for person in people) for reply in world.repertoire())


def mismatched(people: Sequence[Person], seed: int) -> dict[str, Person]:
    """Return for each person another of the same people, of another kind."""
    chance = random.Random(f"others {seed}")
    return {one.id: chance.choice([other for other in people if other.kind != one.kind]) for one in people}
