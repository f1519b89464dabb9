"""Examples of a data set without a language model: people of all kinds, each with queries of their own."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace

from training.example import CATEGORIES, TRAITS, Example, Level, Memory, PromptMessage

_ONSETS = ("b", "br", "d", "f", "g", "k", "l", "m", "n", "p", "pr", "r", "s", "st", "t", "tr", "v")
_WORDS = [f"{onset}{rest}" for onset in _ONSETS for rest in ("andel", "osti", "urma")]
_LEVELS: tuple[Level, ...] = ("low", "medium", "high")


def words(seed: str, count: int) -> str:
    """Words that are the same for the same seed, and unlike those of any other."""
    chance = random.Random(hashlib.sha256(seed.encode()).digest())
    return " ".join(chance.choice(_WORDS) + str(chance.randrange(100)) for _ in range(count))


def example(person: str, number: int = 0, **changes: object) -> Example:
    chance = random.Random(hashlib.sha256(person.encode()).digest())
    query = f"{words(f'{person} {number}', 12)}?"
    made = Example(
        id=f"{person}-{number}",
        person=person,
        category=CATEGORIES[number % 3],
        query=query,
        prompt=(PromptMessage(role="system", content="Be kind."), PromptMessage(role="user", content=query)),
        persona=words(f"{person} persona", 20),
        situation=words(f"{person} {number} situation", 15),
        memory=(Memory(words(f"{person} memory", 6)), Memory(words(f"{person} other", 6))),
        big_five={trait: chance.choice(_LEVELS) for trait in TRAITS},
        language="en",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def examples(people: int, each: int = 2) -> Iterator[Example]:
    for person in range(people):
        for number in range(each):
            yield example(f"p_{person:05}", number)
