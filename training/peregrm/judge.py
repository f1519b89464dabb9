"""The judge: a reply in, a verdict or *unscored* out; never an invented number.

An answer without a usable score is asked for again with another seed, then the reply is unscored, and so it is when
the server refuses or stays away. Every call is counted in `accounts`. The judge composes nothing (prompts.py) and
adds nothing up (arithmetic.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from memory.template import load
from training.call_accounts import Account
from training.caller import Caller
from training.calls import Answer, Call, CallError
from training.errors import DatasetError
from training.peregrm.case import Case, Reply
from training.peregrm.config import JudgeConfig
from training.peregrm.prompts import BYSTANDER, LAYOUT, PACKAGE, PROMPTS, Question, Rulers, Scores, questions
from training.peregrm.rubric import load_rubric
from training.peregrm.slots import Slots
from training.peregrm.verdict import MixedJudgesError, UnreadableError, Unscored, Verdict, identity

_ASKED_AGAIN = frozenset({"garbled", "schema", "length"})
_RESEED = 104_729
"""Added to the seed of each further try, so that a sampler does not repeat its mistake."""

_REPEAT = 15_485_863
"""Added for each repetition of a whole measurement."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """A question that got no usable answer."""

    reason: str
    message: str
    calls: int


@dataclass(frozen=True, slots=True)
class _Success:
    scores: Scores
    calls: int


class Judge:
    """One model that scores under one configuration; open it with `open`."""

    def __init__(self, config: JudgeConfig, caller: Caller, slots: Slots | None) -> None:
        self.config = config
        self.identity = judge_identity(config)
        self._caller = caller
        self._slots = slots

    @classmethod
    @asynccontextmanager
    async def open(
        cls, config: JudgeConfig, cache: Path | None = None, *, shared_bound: bool = False
    ) -> AsyncIterator[Judge]:
        """Open the connections; with `shared_bound` the bound on calls holds across processes.

        Raises:
            TrainingError: see `Caller.open`.
        """
        limits = config.limits
        # Unusable answers are counted and asked for again here, where a box is read too.
        endpoint = config.endpoint.model_copy(update={"reasks": 0})
        async with Caller.open(endpoint, cache) as caller:
            yield cls(config, caller, Slots(limits.concurrency, limits.slots_dir) if shared_bound else None)

    @property
    def accounts(self) -> Mapping[str, Account]:
        """What was asked and what came back, by kind of question."""
        return self._caller.accounts

    async def check(self) -> None:
        """Return when the server is there and has the model.

        Raises:
            CallError: it is not, or has not.
        """
        await self._caller.check()

    async def score(self, case: Case, reply: Reply, rulers: Rulers, *, turn: int = 0) -> Verdict | Unscored:
        """Score one reply under `rulers`, the same for every reply that is compared with it.

        Another `turn` asks the same with other seeds, to see how far a score is repeatable.

        Raises:
            MixedJudgesError: the rulers have several writers.
            DatasetError: a dimension that is measured with rulers has none, or nobody wrote them.
        """
        writers = {ruler.writer for sets in rulers.values() for ruler in sets}
        if len(writers) > 1:
            raise MixedJudgesError(f"the rulers of {case.id} have {len(writers)} writers; write its criteria again")
        self._need(case, rulers)
        begun = time.monotonic()
        asked = questions(case, reply, rulers, self.config)
        results = await asyncio.gather(*(self._answered(question, case, turn) for question in asked))
        calls, seconds = sum(result.calls for result in results), time.monotonic() - begun
        for result in results:
            if isinstance(result, _Failure):
                return Unscored(self.identity, result.reason, result.message, calls, seconds)
        return self._verdict(
            [result.scores for result in results if isinstance(result, _Success)], writers, calls, seconds
        )

    def _need(self, case: Case, rulers: Rulers) -> None:
        preset = load_rubric().presets[self.config.preset]
        if self.config.mode == "paper" or not preset.criteria:
            return
        for name in preset.dimensions:
            if not rulers.get(name) or not all(ruler.criteria and ruler.writer for ruler in rulers[name]):
                raise DatasetError(
                    f"example {case.id} has no rulers for {name}, or empty ones; write them with"
                    " `attune-train criteria`"
                )

    def _verdict(self, found: list[Scores], writers: set[str], calls: int, seconds: float) -> Verdict:
        rubric = load_rubric()
        rounds: Scores = {}
        for scores in found:
            for name, values in scores.items():
                rounds[name] = rounds.get(name, ()) + values
        for name in rubric.presets[self.config.preset].dimensions:
            # Only where nothing was noted is a dimension not asked about: it has earned the bottom of its scale.
            rounds.setdefault(name, (float(rubric.measures[name].scale.low),))
        five = rounds.pop(BYSTANDER, None)
        bystander = None if five is None else dict(zip(rubric.bystander, five, strict=True))
        return Verdict(self.identity, next(iter(writers), ""), rounds, bystander, calls, seconds)

    async def _answered(self, question: Question, case: Case, repetition: int) -> _Success | _Failure:
        failure = _Failure("unreadable", "the judge was not asked", 0)
        for turn in range(self.config.tries):
            call = Call(
                question.messages,
                question.schema,
                seed=question.seed + turn * _RESEED + repetition * _REPEAT,
                tag=question.tag,
                owner=case.person,
            )
            try:
                return _Success(question.read(await self._ask(call)), turn + 1)
            except UnreadableError as error:
                failure = _Failure("unreadable", f"an answer of the judge cannot be used: {error}", turn + 1)
            except CallError as error:
                failure = _Failure(error.kind, str(error), turn + 1)
                if error.kind not in _ASKED_AGAIN:
                    break
        return failure

    async def _ask(self, call: Call) -> Answer:
        if self._slots is None:
            return await self._caller.ask(call)
        async with self._slots.held():
            return await self._caller.ask(call)


def judge_identity(config: JudgeConfig) -> str:
    """Return the hash that every verdict of this configuration carries; nothing is opened for it."""
    texts = [load(PACKAGE, name) for name in (*PROMPTS, "rubric.toml")]
    way = [config.preset, config.mode, config.calls, config.answers, config.rounds]
    return identity(LAYOUT, texts, config.endpoint.identity, way)
