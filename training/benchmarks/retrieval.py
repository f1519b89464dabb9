"""How well the right memory is found among a hundred: the real recall beside plain dense search and BM25.

Each record is one person whose candidates are facts in a ledger and an index. Recall is set to return its whole
ranking (`RANKING`) instead of the handful that enters a prompt; everything else is as in chat.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memory.config import RecallConfig
from memory.recall import Recall
from memory.types import Fact
from training.benchmarks.lines import BadLine, Row, rows
from training.benchmarks.memories import Memories, Memory, leave, memories_in, settle

RANKING = RecallConfig(limit=50, token_budget=1_000_000, min_score=-1.0, deadline_ms=60_000)
"""As many facts as there may be, however long, far off or slow; the default would cut the ranking off."""

_WORD = re.compile(r"\w+")
_K1, _B = 1.5, 0.75


@dataclass(frozen=True, slots=True)
class Question:
    """One person's candidates and the query whose answer is one of them."""

    line: int
    query: str
    right: int
    """The place of the right one."""
    candidates: tuple[Memory, ...]


@dataclass(frozen=True, slots=True)
class Ranked:
    """How one way of searching did."""

    ranks: tuple[int | None, ...]
    """Of the right memory, from 1; None where it was not returned."""
    ms: tuple[float, ...]

    def as_dict(self) -> dict[str, float]:
        """Return recall at 1, 3, 5, 10, the mean reciprocal rank, and the time of a query."""
        found = [math.inf if rank is None else rank for rank in self.ranks]
        shares = {f"r{k}": sum(rank <= k for rank in found) / len(found) for k in (1, 3, 5, 10)}
        mrr = math.fsum(1 / rank for rank in found) / len(found)
        p50, p95 = (float(np.percentile(self.ms, at)) for at in (50, 95))
        return {**shares, "mrr": mrr, "p50_ms": p50, "p95_ms": p95}


@dataclass(frozen=True, slots=True)
class Result:
    """The three ways of searching on the same questions."""

    attune: Ranked
    dense: Ranked
    bm25: Ranked

    @property
    def n(self) -> int:
        """How many questions."""
        return len(self.attune.ranks)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        ways = {"attune": self.attune, "dense": self.dense, "bm25": self.bm25}
        return {"n": self.n, **{name: way.as_dict() for name, way in ways.items()}}


def read(path: Path) -> Iterator[Question | BadLine]:
    """Yield the questions of a file of AlpsBench records; rejected memories are left out.

    Raises:
        InputFileError: the file cannot be read.
    """
    for row in rows(path):
        yield row if isinstance(row, BadLine) else _question(row)


async def measure(
    questions: Sequence[Question], memories: Memories, progress: Callable[[int, float], None] | None = None
) -> Result:
    """Ask every question in each way.

    Args:
        questions: at least one.
        memories: where the people are made, one at a time.
        progress: told after each question how many are done and how many seconds that took.
    """
    recall = Recall(memories.ledger, memories.index, RANKING)
    ways: dict[str, list[tuple[int | None, float]]] = {"attune": [], "dense": [], "bm25": []}
    started = time.perf_counter()
    for done, question in enumerate(questions, 1):
        person_id, facts = await settle(memories, question.candidates)
        right = facts[question.right].id
        different = list({fact.id: fact for fact in facts}.values())
        ways["attune"].append(await _recalled(recall, person_id, question.query, right))
        ways["dense"].append(await _dense(memories, question.query, different, right))
        ways["bm25"].append(_bm25(question.query, different, right))
        await leave(memories, person_id)
        if progress is not None:
            progress(done, time.perf_counter() - started)
    return Result(*(Ranked(*(tuple(column) for column in zip(*found, strict=True))) for found in ways.values()))


async def _recalled(recall: Recall, person_id: str, query: str, right: str) -> tuple[int | None, float]:
    found = await recall.recall(person_id, query)
    if found.status != "ok":
        raise RuntimeError(f"recall did not rank: {found.status}: {found.detail}")
    return _rank([recalled.fact.id for recalled in found.facts], right), found.elapsed_ms


async def _dense(memories: Memories, query: str, facts: Sequence[Fact], right: str) -> tuple[int | None, float]:
    vectors = await memories.embedder.embed([fact.text for fact in facts])
    begun = time.perf_counter()
    wanted = (await memories.embedder.embed([query], together=True))[0]
    order = np.argsort(-(vectors @ wanted), kind="stable")
    elapsed = (time.perf_counter() - begun) * 1000
    return _rank([facts[at].id for at in order], right), elapsed


def _bm25(query: str, facts: Sequence[Fact], right: str) -> tuple[int | None, float]:
    """Rank by Okapi BM25 over lower-case words."""
    texts = [Counter(_WORD.findall(fact.text.casefold())) for fact in facts]
    holding = Counter(word for words in texts for word in words)
    mean = sum(words.total() for words in texts) / len(texts)
    begun = time.perf_counter()
    wanted = set(_WORD.findall(query.casefold()))
    weight = {word: math.log(1 + (len(texts) - holding[word] + 0.5) / (holding[word] + 0.5)) for word in wanted}

    def score(words: Counter[str]) -> float:
        norm = _K1 * (1 - _B + _B * words.total() / mean)
        return sum(weight[word] * words[word] * (_K1 + 1) / (words[word] + norm) for word in wanted & words.keys())

    order = sorted(range(len(facts)), key=lambda at: -score(texts[at]))
    elapsed = (time.perf_counter() - begun) * 1000
    return _rank([facts[at].id for at in order], right), elapsed


def _rank(ids: Sequence[str], right: str) -> int | None:
    return ids.index(right) + 1 if right in ids else None


def _question(row: Row) -> Question | BadLine:
    asked = row.values.get("retrieval")
    if not isinstance(asked, dict):
        return BadLine(row.line, 'no "retrieval"')
    query, selected = asked.get("query"), asked.get("selected")
    if not isinstance(query, str) or not query.strip():
        return BadLine(row.line, "no query")
    try:
        (right,) = memories_in([selected])
        candidates = tuple(one for one in memories_in(asked.get("candidates")) if not one.rejected)
    except ValueError as error:
        return BadLine(row.line, str(error))
    if right.rejected:
        return BadLine(row.line, "its right memory is a rejected one")
    values = [one.value for one in candidates]
    if right.value not in values:
        return BadLine(row.line, "its right memory is not among the candidates")
    return Question(row.line, query, values.index(right.value), candidates)
