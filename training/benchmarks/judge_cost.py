"""What judging one training step costs, in the paper's call pattern and in ours, by the real vLLM's own counters.

The questions are those that the judge asks, the people and replies random words of stated lengths, and the answers are
thrown away: a model without sense shows requests, prompt tokens and prefix-cache hits just as well. Ours is charged for
writing its rulers too, although a data set's pool is written once and drawn from at every visit. Each pattern has a
salt of its own, so that none finds another's prefixes in the cache.
"""

from __future__ import annotations

import asyncio
import random
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from training.caller import Caller
from training.calls import Call, CallError
from training.endpoint import Endpoint
from training.errors import EngineError
from training.example import CriteriaSet, Criterion
from training.peregrm.case import Case, Reply
from training.peregrm.config import JudgeConfig, PoolConfig
from training.peregrm.criteria import pool_prompt
from training.peregrm.prompts import questions
from training.peregrm.rubric import load_rubric

ANSWER_TOKENS = 8


@dataclass(frozen=True, slots=True)
class Load:
    """One step, and how long its texts are, in words."""

    batch: int = 8
    rollouts: int = 8
    rounds: int = 4
    persona: int = 120
    situation: int = 40
    memories: tuple[int, int] = (12, 14)
    """How many, and how long each."""
    query: int = 25
    reply: int = 160
    criteria: tuple[int, int] = (4, 16)
    """How many in a ruler, and how long each."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one pattern cost."""

    pattern: str
    requests: int
    prompt_tokens: int
    cached_tokens: int
    """Of these, served from the prefix cache."""

    @property
    def computed_tokens(self) -> int:
        """Prompt tokens that the server had to compute."""
        return self.prompt_tokens - self.cached_tokens


async def measure(base_url: str, model: str, metrics_url: str, load: Load | None = None) -> list[Cost]:
    """Ask everything that one step asks, in each pattern, one pattern after the other.

    Raises:
        CallError: the server fails.
        EngineError: it has none of vLLM's counters.
    """
    costs = []
    endpoint = Endpoint(base_url=base_url, model=model, concurrency=16, temperature=0, reasks=0)
    for pattern, calls in step_calls(load or Load(), endpoint).items():
        salted = endpoint.model_copy(update={"extra_body": {"cache_salt": uuid.uuid4().hex}})
        before = await _counters(metrics_url)
        async with Caller.open(salted) as caller:
            written = [call for call in calls if call.tag == "criteria"]
            await asyncio.gather(*(_asked(caller, call) for call in written))
            await asyncio.gather(*(_asked(caller, call) for call in calls if call.tag != "criteria"))
        after = await _counters(metrics_url)
        spent = [new - old for old, new in zip(before, after, strict=True)]
        costs.append(Cost(pattern, *(round(one) for one in spent)))
    return costs


def step_calls(load: Load, endpoint: Endpoint) -> dict[str, list[Call]]:
    """Return everything that one step asks, by pattern."""
    groups = _groups(load)
    found = {}
    for pattern, settings in _patterns(load).items():
        config = JudgeConfig(endpoint=endpoint, criteria=PoolConfig(endpoint=endpoint), **settings)
        found[pattern] = [call for group in groups for call in _calls(config, *group, load)]
    return found


async def _asked(caller: Caller, call: Call) -> None:
    try:
        await caller.ask(call)
    except CallError as error:
        # A model without sense may say nothing visible; what it was asked has been counted all the same.
        if error.kind not in ("garbled", "length"):
            raise


def table(costs: Sequence[Cost]) -> str:
    """Return the costs in Markdown, each beside the first."""
    first = costs[0]
    head = "| pattern | requests | | prompt tokens sent | | from the prefix cache | computed | |"
    rows = [
        f"| {one.pattern} | {one.requests} | {one.requests / first.requests:.0%} | {one.prompt_tokens:,}"
        f" | {one.prompt_tokens / first.prompt_tokens:.0%} | {one.cached_tokens / one.prompt_tokens:.0%}"
        f" | {one.computed_tokens:,} | {one.computed_tokens / first.computed_tokens:.0%} |"
        for one in costs
    ]
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *rows])


def _patterns(load: Load) -> dict[str, dict[str, object]]:
    return {
        "paper": {"mode": "paper", "rounds": load.rounds},
        "one call per dimension": {"mode": "shared", "rounds": load.rounds},
        "all in one": {"mode": "shared", "rounds": load.rounds, "calls": "all_in_one"},
    }


def _calls(
    config: JudgeConfig, case: Case, rulers: dict[str, tuple[CriteriaSet, ...]], replies: Sequence[Reply], load: Load
) -> list[Call]:
    scoring = [question for reply in replies for question in questions(case, reply, rulers, config)]
    calls = [Call(one.messages, None, seed=n, tag="judge", max_tokens=ANSWER_TOKENS) for n, one in enumerate(scoring)]
    if config.mode == "paper" or config.criteria is None:
        return calls
    rubric = load_rubric()
    preset = rubric.presets[config.preset]
    prompts = [
        pool_prompt(case, rubric.measures[name], preset, config.criteria, n)
        for name in preset.dimensions
        for n in range(load.rounds)
    ]
    return [
        *(
            Call(({"role": "user", "content": prompt},), None, tag="criteria", max_tokens=ANSWER_TOKENS)
            for prompt in prompts
        ),
        *calls,
    ]


def _groups(load: Load) -> list[tuple[Case, dict[str, tuple[CriteriaSet, ...]], list[Reply]]]:
    chance = random.Random(load.seed)
    words = ["".join(chance.choices("aeioulnrst", k=chance.randint(2, 9))) for _ in range(3000)]

    def text(count: int) -> str:
        return " ".join(chance.choices(words, k=count))

    found = []
    for n in range(load.batch):
        many, long = load.memories
        case = Case(
            f"e{n}", text(load.query), text(load.persona), text(load.situation), tuple(text(long) for _ in range(many))
        )
        count, length = load.criteria
        rulers = {
            name: tuple(
                CriteriaSet(tuple(Criterion(text(length), 100 / count) for _ in range(count)), "w")
                for _ in range(load.rounds)
            )
            for name in load_rubric().presets["peregrm"].dimensions
        }
        found.append(
            (
                case,
                rulers,
                [Reply(text(chance.randint(load.reply // 2, load.reply * 3 // 2))) for _ in range(load.rollouts)],
            )
        )
    return found


async def _counters(metrics_url: str) -> tuple[float, float, float]:
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(metrics_url)).text

    def read(name: str) -> float:
        values = re.findall(rf"^vllm:{name}\{{.*\}} (\S+)$", text, re.MULTILINE)
        if not values:
            raise EngineError(f"{metrics_url} has no counter vllm:{name}; point --base-url at a vLLM server")
        return sum(map(float, values))

    return read("request_success_total"), read("prompt_tokens_total"), read("prefix_cache_hits_total")
