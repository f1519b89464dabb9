"""The text that a random model is taught before GRPO: to tell who somebody is, and to say a reply; never which to whom.

Half of the lessons ask "Who is it?" after memories and are answered with the kind (memory to trait). Half are queries,
some of them without memories, answered with a reply of the world's repertoire (four strategies and the generic one)
that a generator of its own draws, all alike likely: whoever the person is, the sequence of replies is the same. So
nothing that is taught says which reply suits whom; that can be learned from the reward alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.example import PromptMessage
from training.learning.world import Person, World, prompt

WHO = "Who is it?"
_WITHOUT_MEMORIES = 0.2
"""Share of the queries: so that a prompt without memories is nothing new to the policy."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One prompt and what is taught as its answer."""

    messages: tuple[PromptMessage, ...]
    answer: str
    kind: str
    """Of the person; not part of the text."""
    asks_who: bool


def lessons(world: World, people: Sequence[Person], count: int, seed: int) -> Iterator[Lesson]:
    """Yield `count` lessons about these people."""
    whom, reply = random.Random(f"whom {seed}"), random.Random(f"reply {seed}")
    repertoire = world.repertoire()
    for number in range(count):
        person = whom.choice(people)
        memories = whom.sample(person.memories, len(person.memories))
        if number % 2:
            yield Lesson(prompt(memories, WHO), person.kind, person.kind, asks_who=True)
        else:
            query = whom.choice(world.queries.train)
            known = () if whom.random() < _WITHOUT_MEMORIES else memories
            yield Lesson(prompt(known, query), reply.choice(repertoire), person.kind, asks_who=False)


def vocabulary(world: World) -> list[str]:
    """Return what the tokenizer is made from: the world's words, without the held-out queries."""
    kinds = world.kinds.values()
    return [
        *(memory for kind in kinds for memory in kind.memories),
        *world.neutral.memories,
        *world.queries.train,
        *world.repertoire(),
        *world.kinds,
        f"Known: nothing; {WHO} user assistant ",
        world.echo("is"),
    ]
