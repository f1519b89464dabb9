"""What is believed of a whole population after an import: means, widths, levels shown, plans and replies.

    python -m tests.benchmarks.persona_levels records.jsonl.gz [--limit N]

The records are imported as `attune import alpsbench` does, into a data directory that is gone afterwards, and reflected
on by rules, without a language model. Then each person's beliefs are read as the chat reads them.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, pstdev

from assistant.config import AssistantConfig, ModelConfig
from assistant.importing import import_file
from assistant.models.builtin_reply import reply
from assistant.models.door import Situation
from assistant.progress import bar
from assistant.runtime import Runtime, open_runtime
from assistant.safety.screen import screen
from assistant.support import SupportPlan, plan
from memory.persona.beliefs import Beliefs
from memory.persona.levels import shown
from memory.types import Persona, Trait

MESSAGE = "I had an argument with my sister about our parents' house. Any advice?"


async def population(file: Path, limit: int | None) -> list[Persona]:
    """Import the records, reflect on them, and return what is believed of each person."""
    with tempfile.TemporaryDirectory() as home, bar() as show:
        config = AssistantConfig(home=Path(home), policy=ModelConfig(engine="builtin"), discover=False)
        async with open_runtime(config) as runtime:
            async for step in import_file(runtime, file, limit):
                show(step.model_dump())
            return [persona async for persona in _personas(runtime)]


async def _personas(runtime: Runtime) -> AsyncIterator[Persona]:
    beliefs, now, cursor, more = Beliefs(runtime.ledger), datetime.now(UTC), None, True
    while more:
        people, cursor = await runtime.ledger.users.list(cursor)
        more = cursor is not None
        for person in people:
            if person.id != runtime.owner.id:
                yield await beliefs.persona(person.id, now)


def report(people: Sequence[Persona]) -> str:
    """Return what the population looks like."""
    observed = [one for one in people if any(estimate.evidence_count for estimate in one.estimates.values())]
    plans = [plan(MESSAGE, one, screen(MESSAGE)) for one in observed]
    replies = [reply(Situation(MESSAGE, found), seed=0) for found in plans]
    return "\n".join(
        [
            f"{len(people)} people, {len(observed)} of whom left evidence",
            "",
            "trait               mean ± sd      range          sd of beliefs  low  high  medium  leaning  unknown",
            *(_trait_row(trait, observed) for trait in Trait),
            "",
            f"a level for some trait: {_share(observed, _has_level)}",
            f"a level or a leaning for some trait: {_share(observed, _has_some)}",
            f"different plans for one message: {len(set(plans))}",
            f"different in strategies, order, tone or style: {_distinct([_support(found) for found in plans])}",
            f"different builtin replies: {_distinct(replies)}",
        ]
    )


def _trait_row(trait: Trait, people: Sequence[Persona]) -> str:
    estimates = [one.estimates[trait] for one in people]
    means = [estimate.mean for estimate in estimates]
    found = [shown(estimate) for estimate in estimates]
    levels = Counter(one.level for one in found)
    leaning = sum(one.leaning is not None for one in found)
    return (
        f"{trait.value:<18} {mean(means):>5.1f} ± {pstdev(means):<4.2f}  {min(means):>5.1f} to {max(means):<5.1f}  "
        f"{min(e.sd for e in estimates):>5.2f} to {max(e.sd for e in estimates):<5.2f} "
        f"{levels['low']:>4} {levels['high']:>5} {levels['medium']:>7} {leaning:>8} {levels[None] - leaning:>8}"
    )


def _has_level(persona: Persona) -> bool:
    return any(shown(estimate).level for estimate in persona.estimates.values())


def _has_some(persona: Persona) -> bool:
    return any((found := shown(estimate)).level or found.leaning for estimate in persona.estimates.values())


def _support(found: SupportPlan) -> tuple[object, ...]:
    return found.strategies, found.tone, found.style


def _share(people: Sequence[Persona], holds: Callable[[Persona], bool]) -> str:
    number = sum(holds(one) for one in people)
    return f"{number} of {len(people)} ({number / max(1, len(people)):.0%})"


def _distinct(found: Sequence[object]) -> str:
    counts = Counter(found)
    return f"{len(counts)}; the commonest goes to {max(counts.values()) / len(found):.0%}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="AlpsBench records, .jsonl or .jsonl.gz")
    parser.add_argument("--limit", type=int, help="only the first so many records")
    arguments = parser.parse_args()
    print(report(asyncio.run(population(arguments.file, arguments.limit))))  # noqa: T201
