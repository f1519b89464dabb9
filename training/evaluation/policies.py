"""What a policy answers: the serving prompt with the memories that its configuration allows it, and one reply.

Prompts are composed by personaemp/serving.py. Replies are cached by their prompt, so that a run cut short goes on. A
question that serving would not send to the model, or that got no reply, has none: it is counted, never scored.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.models.door import ChatMessage
from memory.config import RecallConfig
from memory.embedder import Embedder
from memory.selection import Reader
from memory.template import fill, load
from training.caller import Caller
from training.calls import Answer, Call, CallError
from training.errors import DatasetError
from training.evaluation.config import PolicyConfig
from training.evaluation.cost import Cost, given
from training.example import Example
from training.peregrm.case import Reply
from training.peregrm.fence import line
from training.personaemp.drops import DroppedError
from training.personaemp.record import RecordMemory, Turn
from training.personaemp.serving import PromptConfig, Prompter
from training.personaemp.vectors import SharedVectors

_ALL = -1.0
"""The memories of an example were chosen when it was built; none of them is held to be off the point again."""
_TOP = 3
_SUMMARY_TOKENS = 300


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one question."""

    example: str
    reply: Reply | None
    """None: there is none, for `reason`."""
    reason: str = ""
    memories: int = 0
    """In the prompt."""


class Policy:
    """One configured policy over one split."""

    def __init__(self, config: PolicyConfig, caller: Caller, embedder: Reader, seed: int) -> None:
        self._config = config
        self._caller = caller
        self._seed = seed
        self.given: list[Answer] = []
        """Every answer, from the cache or not; what the cost is counted from."""
        recall = RecallConfig(min_score=_ALL, limit=_TOP if config.way == "rag" else RecallConfig().limit)
        self._prompter = Prompter(
            embedder,
            PromptConfig(
                preset=config.preset,
                context_tokens=config.context_tokens,
                max_reply_tokens=config.endpoint.max_tokens,
                recall=recall,
            ),
        )

    async def prompt(self, example: Example, donor: Example) -> tuple[tuple[ChatMessage, ...], int]:
        """Return the prompt and how many memories are in it; `donor` gives the memories where they are mismatched.

        Raises:
            DroppedError: serving would not send it.
            CallError: the summary failed.
        """
        memories, anyway = known(example if self._config.memories == "full" else donor)
        if self._config.memories == "none":
            memories, anyway = [], []
        if self._config.way == "summary" and (memories or anyway):
            memories = [RecordMemory("summary", await self._summary([*memories, *anyway], example.person))]
            anyway = []
        made = await self._prompter.prompt(example.query, memories, _history(example), anyway=anyway)
        return made.messages, len(made.memories)

    async def answer(self, example: Example, donor: Example) -> Answered:
        """Return the reply to one question.

        Raises:
            CallError: every other call would fail the same way.
        """
        try:
            messages, count = await self.prompt(example, donor)
            said = [{"role": one["role"], "content": one["content"]} for one in messages]
            answer = await self._ask(Call(said, seed=self._seed, tag="reply", owner=example.person))
        except DroppedError as error:
            return Answered(example.id, None, f"not sent: {error.reason}")
        except CallError as error:
            if error.fatal:
                raise
            return Answered(example.id, None, error.kind)
        return Answered(example.id, Reply.of(answer.text), memories=count)

    async def _summary(self, memories: Sequence[RecordMemory], owner: str) -> str:
        text = fill(
            load("training.evaluation", "summary.md"), memories=line("memories", [memory.text for memory in memories])
        )
        call = Call(
            ({"role": "user", "content": text},),
            max_tokens=_SUMMARY_TOKENS,
            seed=self._seed,
            tag="summary",
            owner=owner,
        )
        return (await self._ask(call)).text.strip()

    async def _ask(self, call: Call) -> Answer:
        answer = await self._caller.ask(call)
        self.given.append(answer)
        return answer


async def answers(
    config: PolicyConfig,
    examples: Sequence[Example],
    embedder: Embedder,
    cache: Path,
    seed: int,
    done: Callable[[int, int], None] = lambda _done, _of: None,
) -> tuple[list[Answered], Cost]:
    """Return the policy's answers in the order of `examples`, and what they cost.

    Raises:
        CallError: the policy's server is not there.
        DatasetError: memories are to be mismatched and there is one person only.
    """
    donors = mismatched(examples, seed) if config.memories == "mismatched" else list(examples)
    finished = 0
    async with Caller.open(config.endpoint, cache) as caller, SharedVectors.open(embedder) as vectors:
        await caller.check()
        policy = Policy(config, caller, vectors, seed)

        async def one(example: Example, donor: Example) -> Answered:
            nonlocal finished
            found = await policy.answer(example, donor)
            finished += 1
            done(finished, len(examples))
            return found

        found = await asyncio.gather(*(one(*pair) for pair in zip(examples, donors, strict=True)))
    return found, given(policy.given, config.endpoint)


def mismatched(examples: Sequence[Example], seed: int) -> list[Example]:
    """Return for each example one of another person, whose memories it gets; the seed decides which.

    Raises:
        DatasetError: there is no other person with memories.
    """
    holders = [example for example in examples if example.memory]
    chosen = []
    for example in examples:
        others = [one for one in holders if one.person != example.person]
        if not others:
            raise DatasetError("mismatched memories need two people with memories in the split; evaluate a larger one")
        digest = hashlib.sha256(f"{seed}|{example.id}".encode()).digest()
        chosen.append(others[int.from_bytes(digest[:8]) % len(others)])
    return chosen


def known(example: Example) -> tuple[list[RecordMemory], list[RecordMemory]]:
    """Return the memories of an example as serving's composition takes them: what may be called up, and the profile."""
    found: tuple[list[RecordMemory], list[RecordMemory]] = ([], [])
    for place, memory in enumerate(example.memory):
        one = RecordMemory(memory.fact_id or f"m{place}", memory.text, message_ids=memory.message_ids)
        found[memory.profile].append(one)
    return found


def _history(example: Example) -> list[Turn]:
    """The turns that stand in the example's own prompt before the message."""
    earlier = [one for one in example.prompt if one["role"] in ("user", "assistant")][:-1]
    return [
        Turn(f"t{place}", example.id, "user" if one["role"] == "user" else "assistant", one["content"])
        for place, one in enumerate(earlier)
    ]
