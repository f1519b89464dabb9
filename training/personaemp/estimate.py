"""What a build will ask at most, before anything is asked: calls and tokens by stage, if every gate lets everything by.

Prompts are filled with the records' own words; what models would write is stood in for by text of the usual length.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from memory.tokens import estimate_tokens
from training.personaemp.big_five import BIG_FIVE
from training.personaemp.drops import DroppedError, Drops
from training.personaemp.inspection import INSPECTION
from training.personaemp.persona import PERSONA
from training.personaemp.pipeline import StagesConfig
from training.personaemp.query import QUERY
from training.personaemp.real import REAL, REAL_SITUATION, candidates
from training.personaemp.record import Record, Skipped
from training.personaemp.select import SELECT, check_memories
from training.personaemp.situations import SITUATIONS
from training.personaemp.stage import Stage, data, dialogue, numbered

_PORTRAIT, _SITUATION, _QUERY = data("word " * 150), data("word " * 50), data("word " * 40)


@dataclass(slots=True)
class Share:
    """What one stage takes at most."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(slots=True)
class Estimate:
    """What a build takes at most."""

    records: int = 0
    selected: int = 0
    """Those of whom enough is remembered; the others cost nothing."""
    skipped: int = 0
    ledger_people: int = 0
    """People of the ledger who agreed; what they said is read by a build alone, so they are in no other figure."""
    stages: dict[str, Share] = field(default_factory=dict)
    drops: Drops = field(default_factory=Drops)

    @property
    def calls(self) -> int:
        """Of all stages."""
        return sum(share.calls for share in self.stages.values())

    @property
    def tokens(self) -> tuple[int, int]:
        """Prompt and completion tokens of all stages."""
        shares = self.stages.values()
        return sum(one.prompt_tokens for one in shares), sum(one.completion_tokens for one in shares)


async def estimate(stream: AsyncIterator[Record | Skipped], config: StagesConfig, limit: int | None = None) -> Estimate:
    """Read the records and return what building from them takes at most."""
    found = Estimate()
    async for item in stream:
        if isinstance(item, Skipped):
            found.skipped += 1
            continue
        if found.records == limit:
            break
        found.records += 1
        try:
            check_memories(item)
        except DroppedError as dropped:
            found.drops.count(dropped)
            continue
        found.selected += 1
        _add_record(found, item, config)
    return found


def _add_record(found: Estimate, record: Record, config: StagesConfig) -> None:
    turns, memories = dialogue(record.turns), numbered(record.memories, record.known())
    real = min(config.real_queries, len(candidates(record)))
    if record.intents is None:
        _add(found, SELECT, 1, turns=turns)
    _add(found, PERSONA, 1, memories=memories, turns=turns)
    _add(found, BIG_FIVE, 1, persona=_PORTRAIT, memories=memories, turns=turns)
    if config.situations:
        topics = data("word " * 12)
        _add(found, SITUATIONS, 1, count="3", persona=_PORTRAIT, topics=topics, memories=memories)
        some = {"persona": _PORTRAIT, "situation": _SITUATION}
        _add(found, QUERY, config.situations, memories=_SITUATION, turns=_SITUATION, **some)
        _add(found, INSPECTION, config.situations, memories=memories, query=_QUERY, **some)
    if real:
        messages = "\n".join(turn.text for turn in candidates(record))
        _add(found, REAL, 1, count="3", messages=messages)
        _add(found, REAL_SITUATION, real, memories=memories, turns=turns, query=_QUERY)


def _add(found: Estimate, stage: Stage, calls: int, **values: str) -> None:
    share = found.stages.setdefault(stage.name, Share())
    prompt = stage.call("", 0, **values).messages[0]["content"]
    share.calls += calls
    share.prompt_tokens += calls * estimate_tokens(prompt)
    share.completion_tokens += calls * stage.answer_tokens
