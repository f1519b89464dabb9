"""Whether what is known stays true when people say new things: nothing retired wrongly, changes noticed, news kept.

Each record is one person who is known by `before` and says `new_dialogue`, which goes through the same reflection as
chat. What then stands is compared with `golden`, the truth by hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from memory.config import ReflectionConfig
from memory.ledger.messages import JobRequest
from memory.queue import ReflectionWorker
from memory.reflect.turns import batches, reading_chars
from memory.types import Complete, CrisisLevel, Fact, Message, Role
from training.benchmarks.lines import BadLine, Row, rows
from training.benchmarks.memories import Memories, Memory, leave, memories_in, settle

MATCH = 0.7
"""A fact says the same as a golden value from this cosine on."""
_AT_ONCE = 16
_DEADLINE_S = 3600.0
_ROLES: dict[object, Role] = {"user": "user", "assistant": "assistant"}

Screen = Callable[[str], CrisisLevel]


@dataclass(frozen=True, slots=True)
class Case:
    """One person: what is known, what is said, what is true afterwards."""

    line: int
    before: tuple[Memory, ...]
    said: tuple[tuple[Role, str], ...]
    golden: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the facts, added up."""

    n: int = 0
    standing: int = 0
    """Known values that are true unchanged."""
    wrongly_retired: int = 0
    changed: int = 0
    """Known values that are true no longer."""
    superseded: int = 0
    new: int = 0
    """True values that were not known."""
    found: int = 0
    learnt: int = 0
    """Active facts that were not known."""

    def __add__(self, other: Counts) -> Counts:
        mine, theirs = asdict(self), asdict(other)
        return Counts(**{name: mine[name] + theirs[name] for name in mine})


@dataclass(frozen=True, slots=True)
class Result:
    """What the benchmark found."""

    counts: Counts
    by: str
    """`model`, or `rules` without one."""
    failed_jobs: int
    """Reflections that failed for good; what they should have learnt counts as not found."""
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values, with shares; None stands for a share of nothing."""
        counts = self.counts
        return {
            **asdict(counts),
            "wrongly_retired_rate": _share(counts.wrongly_retired, counts.standing),
            "superseded_rate": _share(counts.superseded, counts.changed),
            "found_rate": _share(counts.found, counts.new),
            "by": self.by,
            "failed_jobs": self.failed_jobs,
            "seconds": self.seconds,
        }


def read(path: Path) -> Iterator[Case | BadLine]:
    """Yield the cases of a file of AlpsBench records; rejected memories are left out.

    Raises:
        InputFileError: the file cannot be read.
    """
    for row in rows(path):
        yield row if isinstance(row, BadLine) else _case(row)


async def measure(
    cases: Sequence[Case],
    memories: Memories,
    complete: Complete | None = None,
    screen: Screen | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Result:
    """Let everybody say their new dialogue and compare what is known then with the truth.

    Args:
        cases: at least one.
        memories: where the people are made, a few at a time.
        complete: the language model that reflects; None reflects by rules.
        screen: finds the crisis level of what a person says, as chat does; such turns teach nothing.
        progress: told how many cases are done and how many seconds that took.
    """
    worker = ReflectionWorker(memories.ledger, memories.index, complete, ReflectionConfig(), "bench")
    counts, failed, started = Counts(), 0, time.perf_counter()
    for at in range(0, len(cases), _AT_ONCE):
        group = cases[at : at + _AT_ONCE]
        told = [await _tell(case, memories, screen) for case in group]
        await worker.drain(_DEADLINE_S)
        for case, (person_id, facts) in zip(group, told, strict=True):
            counts += await _compare(case, memories, person_id, facts)
            failed += len(await memories.ledger.jobs.list("failed", person_id))
            await leave(memories, person_id)
        if progress is not None:
            progress(counts.n, time.perf_counter() - started)
    return Result(counts, "model" if complete else "rules", failed, time.perf_counter() - started)


async def _tell(case: Case, memories: Memories, screen: Screen | None) -> tuple[str, list[Fact]]:
    """Make the person, store what they say, and the jobs that reflect on it."""
    person_id, facts = await settle(memories, case.before)
    ledger = memories.ledger
    conversation = await ledger.conversations.create(person_id)
    messages: list[Message] = []
    for role, text in case.said:
        level = screen(text) if screen and role == "user" else None
        stored = await ledger.messages.append(person_id, conversation.id, role, text, crisis_level=level)
        messages.append(stored.message)
    for kind, payload in _jobs(messages):
        await ledger.jobs.enqueue(person_id, kind, payload)
    return person_id, facts


def _jobs(messages: Sequence[Message]) -> Iterator[JobRequest]:
    sized = [(reading_chars(message.role, message.text), message) for message in messages]
    for batch in batches(sized, ReflectionConfig().batch_chars):
        ids = [message.id for message in batch]
        yield "reflect", {"conversation_id": batch[0].conversation_id, "message_ids": ids}


async def _compare(case: Case, memories: Memories, person_id: str, facts: Sequence[Fact]) -> Counts:
    active = [fact async for fact in memories.ledger.facts.all_active(person_id)]
    known = {fact.id for fact in facts}
    stands = {fact.id for fact in active}
    true = set(case.golden)
    before = {memory.value: fact.id for memory, fact in zip(case.before, facts, strict=True)}
    standing = [fact_id for value, fact_id in before.items() if value in true]
    changed = [fact_id for value, fact_id in before.items() if value not in true]
    new = [value for value in dict.fromkeys(case.golden) if value not in before]
    return Counts(
        n=1,
        standing=len(standing),
        wrongly_retired=sum(fact_id not in stands for fact_id in standing),
        changed=len(changed),
        superseded=sum(fact_id not in stands for fact_id in changed),
        new=len(new),
        found=await _matched(memories, new, [fact.text for fact in active]),
        learnt=len(stands - known),
    )


async def _matched(memories: Memories, values: Sequence[str], texts: Sequence[str]) -> int:
    if not values or not texts:
        return 0
    cosines = await memories.embedder.embed(values) @ (await memories.embedder.embed(texts)).T
    return int((cosines.max(axis=1) >= MATCH).sum())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _case(row: Row) -> Case | BadLine:
    update = row.values.get("update")
    if not isinstance(update, dict):
        return BadLine(row.line, 'no "update"')
    said = update.get("new_dialogue")
    if not isinstance(said, list) or not said:
        return BadLine(row.line, "no new_dialogue")
    try:
        before = tuple(one for one in memories_in(update.get("before")) if not one.rejected)
        golden = tuple(one.value for one in memories_in(update.get("golden")) if not one.rejected)
        return Case(row.line, before, tuple(_turns(said)), golden)
    except ValueError as error:
        return BadLine(row.line, str(error))


def _turns(said: Sequence[object]) -> Iterator[tuple[Role, str]]:
    for turn in said:
        role = _ROLES.get(turn.get("role")) if isinstance(turn, dict) else None
        text = turn.get("text") if isinstance(turn, dict) else None
        if role is None or not isinstance(text, str):
            raise ValueError("a turn without a role, user or assistant, and a text")
        if text.strip():
            yield role, text
