"""How well the persona agrees with people's own questionnaires: text with Big Five labels through the real path.

Each person's text is cut into sentences, each sentence is a message of one conversation, and their evidence goes into a
posterior piece by piece; what is correlated with the labels are the posterior means. Nothing is fitted to the labels.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memory.persona.posterior import Posterior
from memory.reflect.reflect import MAX_CALL_CHARS, reflect
from memory.reflect.sentences import sentences
from memory.reflect.turns import batches
from memory.types import Complete, Message, NewTraitEvidence, Trait, TraitEvidence
from training.benchmarks.lines import BadLine, Row, rows

LETTERS: Mapping[str, Trait] = {trait.value[0].upper(): trait for trait in Trait}
"""O, C, E, A, N."""

CHECKPOINTS = (5, 10, 20, 40, 80, 160, 320)
"""After so many sentences a point of the curve is taken, over the people who wrote that many."""
_MIN_PEOPLE = 10
"""A correlation over fewer says nothing."""

ObserveTraits = Callable[[Sequence[Message]], Awaitable[Sequence[NewTraitEvidence]]]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One person's text with their own scores."""

    line: int
    text: str
    scores: Mapping[Trait, float]


@dataclass(frozen=True, slots=True)
class Result:
    """What the benchmark found; None stands for what could not be measured."""

    n: int
    r: Mapping[str, float | None]
    """Pearson correlation of posterior mean and label."""
    auc: Mapping[str, float | None]
    """Probability that of two people the one with the higher label has the higher mean; other than 0/1 labels are
    cut at their median."""
    mean_r: float | None
    curve: Sequence[Mapping[str, Any]]
    """r by number of sentences, over the people who wrote at least that many."""
    sentences: int
    seconds_per_1000: float
    """Wall-clock seconds per 1,000 sentences, everything included but the loading of the model."""

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {
            "n": self.n,
            "r": dict(self.r),
            "auc": dict(self.auc),
            "mean_r": self.mean_r,
            "curve": [dict(point) for point in self.curve],
            "sentences": self.sentences,
            "seconds_per_1000": self.seconds_per_1000,
        }


def read(path: Path) -> Iterator[Labelled | BadLine]:
    """Yield the lines of a `.jsonl` or `.jsonl.gz` file; blank lines are skipped.

    Raises:
        InputFileError: the file is missing, unreadable or not what its name says.
    """
    for row in rows(path):
        yield row if isinstance(row, BadLine) else _labelled(row)


async def judged(turns: Sequence[Message], complete: Complete) -> Sequence[NewTraitEvidence]:
    """Return the trait evidence that a language model finds, as reflection asks for it, in calls as long as chat's.

    Raises:
        ReflectionError: the model failed; a person who was not judged is not a person without traits.
    """
    found: list[NewTraitEvidence] = []
    for batch in batches([(len(turn.text), turn) for turn in turns], MAX_CALL_CHARS):
        found += (await reflect(batch, (), complete)).traits
    return found


async def measure(
    people: Sequence[Labelled],
    observe: ObserveTraits,
    progress: Callable[[int, float], None] | None = None,
) -> Result:
    """Run every text through `observe` and a posterior, and compare the means with the labels.

    Args:
        people: with a score for each trait.
        observe: finds trait evidence in messages, as reflection does.
        progress: told after each person how many are done and how many seconds that took.
    """
    started = time.perf_counter()
    now = datetime.now(UTC)
    finals: list[Mapping[Trait, float]] = []
    reached: dict[int, list[tuple[Labelled, Mapping[Trait, float]]]] = {count: [] for count in CHECKPOINTS}
    total = 0
    for done, person in enumerate(people, 1):
        count, points = await _one(person, observe, now)
        total += count
        for checkpoint, means in points.items():
            if checkpoint in reached:
                reached[checkpoint].append((person, means))
        finals.append(points[count])
        if progress is not None:
            progress(done, time.perf_counter() - started)
    seconds = time.perf_counter() - started
    r = _correlations(people, finals)
    return Result(
        n=len(people),
        r=r,
        auc={letter: _auc([p.scores[t] for p in people], [m[t] for m in finals]) for letter, t in LETTERS.items()},
        mean_r=_mean(r.values()),
        curve=[_point(count, *zip(*seen, strict=True)) for count, seen in reached.items() if len(seen) >= _MIN_PEOPLE],
        sentences=total,
        seconds_per_1000=seconds / max(1, total) * 1000,
    )


async def _one(person: Labelled, observe: ObserveTraits, now: datetime) -> tuple[int, dict[int, Mapping[Trait, float]]]:
    """Return how many sentences the person wrote, and the means at each checkpoint and at the end."""
    turns = _messages(person, now)
    found: dict[str, list[NewTraitEvidence]] = {}
    for new in await observe(turns):
        found.setdefault(new.evidence.message_id, []).append(new)
    beliefs = Posterior()
    points: dict[int, Mapping[Trait, float]] = {0: _means(beliefs, now)}
    for count, turn in enumerate(turns, 1):
        for place, new in enumerate(found.get(turn.id, ())):
            beliefs.add(_owned(new, turn, f"{turn.id}-{place}"))
        if count in CHECKPOINTS or count == len(turns):
            points[count] = _means(beliefs, now)
    return len(turns), points


def _messages(person: Labelled, now: datetime) -> list[Message]:
    return [
        Message(
            id=f"{person.line}-{place}",
            conversation_id=str(person.line),
            person_id=str(person.line),
            parent_id=None,
            role="user",
            text=person.text[sentence.start : sentence.end],
            created_at=now,
        )
        for place, sentence in enumerate(sentences(person.text))
    ]


def _owned(new: NewTraitEvidence, turn: Message, id: str) -> TraitEvidence:
    return TraitEvidence(
        id=id,
        person_id=turn.person_id,
        trait=new.trait,
        direction=new.direction,
        strength=new.strength,
        evidence=new.evidence,
        conversation_id=turn.conversation_id,
        observed_at=new.observed_at,
        item=new.item,
        source=new.source,
    )


def _means(beliefs: Posterior, now: datetime) -> Mapping[Trait, float]:
    return {trait: beliefs.estimate(trait, now).mean for trait in Trait}


def _point(count: int, people: Sequence[Labelled], means: Sequence[Mapping[Trait, float]]) -> dict[str, Any]:
    r = _correlations(people, means)
    return {"sentences": count, "n": len(people), "r": r, "mean_r": _mean(r.values())}


# ---------------------------------------------------------------- lines


def _labelled(row: Row) -> Labelled | BadLine:
    number, values = row.line, row.values
    text = values.get("text")
    if not isinstance(text, str) or not text.strip():
        return BadLine(number, 'no "text"')
    scores: dict[Trait, float] = {}
    for letter, trait in LETTERS.items():
        score = values.get(letter)
        if not isinstance(score, int | float) or not math.isfinite(score):
            return BadLine(number, f'"{letter}" is not a number')
        scores[trait] = float(score)
    return Labelled(number, text, scores)


# ---------------------------------------------------------------- agreement


def _correlations(people: Sequence[Labelled], means: Sequence[Mapping[Trait, float]]) -> dict[str, float | None]:
    return {
        letter: _pearson([person.scores[trait] for person in people], [mean[trait] for mean in means])
        for letter, trait in LETTERS.items()
    }


def _pearson(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    if len(xs) < 3:
        return None
    x_mean, y_mean = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
    xx = math.fsum((x - x_mean) ** 2 for x in xs)
    yy = math.fsum((y - y_mean) ** 2 for y in ys)
    if xx == 0 or yy == 0:
        return None
    return math.fsum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / math.sqrt(xx * yy)


def _auc(labels: Sequence[float], means: Sequence[float]) -> float | None:
    distinct = sorted(set(labels))
    cut = distinct[0] if len(distinct) == 2 else sorted(labels)[(len(labels) - 1) // 2] if labels else 0.0
    high = [mean for mean, label in zip(means, labels, strict=True) if label > cut]
    low = [mean for mean, label in zip(means, labels, strict=True) if label <= cut]
    if not high or not low:
        return None
    won = sum((a > b) + 0.5 * (a == b) for a in high for b in low)
    return won / (len(high) * len(low))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
