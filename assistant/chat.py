"""One turn: from a stored message (inbox.py) to a stored reply, as a stream of wire events.

Guarantees: what was said of a reply is kept when it is stopped or breaks off; recall failing, or being late, never
fails the turn and is always said. No database transaction is open while the model speaks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

from assistant import wire
from assistant.config import ModelConfig
from assistant.errors import ModelError
from assistant.line import Line
from assistant.metrics import Metrics
from assistant.models.door import ChatMessage, Prompt, Sampling, Situation
from assistant.prompt import compose, prompt_hash
from assistant.reminder import LOOKBACK, due
from assistant.rollout.answering import Answerer, Answering
from assistant.safety.protocol import correction, safe_reply, show_card
from assistant.safety.resources import card
from assistant.shown import context_used, error_body, wire_message
from assistant.speech import Speech
from assistant.submission import Stored, Submission
from assistant.support import SupportPlan, may_elicit, plan
from assistant.tally import tally
from memory.ledger.ledger import Ledger
from memory.ledger.policy_turns import Outcome
from memory.persona.beliefs import Beliefs
from memory.recall import Recall
from memory.types import Message, Persona, Recollection, Settings

log = logging.getLogger(__name__)

Checkpoint = Callable[[str], None]


@dataclass(slots=True)
class _Clock:
    """Milliseconds since the turn began, by step."""

    started: float = field(default_factory=perf_counter)
    marks: dict[str, float] = field(default_factory=dict)

    def mark(self, step: str) -> float:
        self.marks[step] = round((perf_counter() - self.started) * 1000, 2)
        return self.marks[step]


class Chat:
    """Answers messages with what it was given; holds no state of its own."""

    def __init__(
        self,
        ledger: Ledger,
        recall: Recall,
        answering: Answering,
        metrics: Metrics,
        *,
        line: Line,
        ai_notice: str,
        ai_reminder: str = "",
        remind_every: timedelta = timedelta(0),
        learned: Callable[[], None] = lambda: None,
        checkpoint: Checkpoint = lambda _step: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`learned` is called when there is something to reflect on; `checkpoint` at each step, for fault tests."""
        self._ledger = ledger
        self._beliefs = Beliefs(ledger)
        self._recall = recall
        self._answering = answering
        self._metrics = metrics
        self._line = line
        self._ai_notice = ai_notice
        self._ai_reminder = ai_reminder
        self._remind_every = remind_every
        self._now = now
        self._learned = learned
        self._checkpoint = checkpoint

    async def answer(
        self, stored: Stored, stream_id: str, stop: asyncio.Event, recalling: asyncio.Task[Recollection] | None = None
    ) -> AsyncIterator[wire.Event]:
        """Yield the events of the turn; the last is the stored reply, its retraction, or an error.

        `recalling` is what was begun by `recollect`; None begins it here.
        """
        clock = _Clock()
        message, screened = stored.message, stored.screen
        yield wire.MessageCreated(
            message=wire_message(message), stream_id=stream_id, conversation_id=message.conversation_id
        )
        for notice in self._notices(stored):
            yield notice
        recollection, person, reminder = await asyncio.gather(
            recalling
            or self.recollect(replace(stored.submission, text=stored.message.text), stored.settings, stored.message.id),
            self._persona(stored),
            self._reminder(stored),
        )
        if recalling is not None:
            recollection = await self._recall.current(message.person_id, recollection)
        if reminder is not None:
            yield reminder
        clock.mark("recall")
        self._checkpoint("recalled")
        support = plan(
            message.text,
            person,
            screened,
            asked_before=_asked(stored.history),
            may_elicit=may_elicit([(m.explanation or {}).get("plan") for m in stored.history if m.role == "assistant"]),
        )
        yield context_used(recollection, person, support)
        if recollection.status in ("timeout", "failed"):
            yield wire.Notice(
                code="recall_" + recollection.status, text="I could not look into my memory for this reply."
            )
        if recollection.broken:
            yield wire.Notice(
                code="recall_by_words",
                text="A part of my memory needs repair: for this reply I looked through it by words alone.",
            )
        if screened.level != "none":
            safety = self._safety(stored)
            if safety.resources is not None:
                await tally(self._ledger, "card", screened.level, self._now())
            yield safety
        explanation = {
            **_by(self._choose(stored)),
            **_from(recollection),
            "persona_version": person.version if person else None,
            "plan": support.as_dict(),
            "crisis_level": screened.level,
        }
        self._checkpoint("composed")

        async def compose_for(answerer: Answerer) -> Prompt:
            held = await self._recall.current(message.person_id, recollection)  # it may have waited in line
            explanation.update(_from(held))
            return self._compose(stored, held, person, support, answerer)

        async for event in self._reply(stored, compose_for, explanation, clock, stop):
            yield event

    async def _reply(
        self,
        stored: Stored,
        compose_for: Callable[[Answerer], Awaitable[Prompt]],
        explanation: dict[str, Any],
        clock: _Clock,
        stop: asyncio.Event,
    ) -> AsyncIterator[wire.Event]:
        """Speak, then commit what was said."""
        speech, careful, seq, failure = Speech(), stored.screen.level != "none", 0, None
        try:
            async with aclosing(self._in_turn(stored, speech, compose_for, explanation, clock, stop)) as pieces:
                async for text in pieces:
                    seq += 1
                    if seq == 1:
                        clock.mark("first_token")
                        waited_s = clock.marks["first_token"] / 1000
                        self._metrics.first_token.labels(explanation["policy_version"]).observe(waited_s)
                    yield wire.Delta(seq=seq, text=text)
                    if seq == 1:
                        self._checkpoint("speaking")
        except ModelError as error:
            self._metrics.model_errors.labels(error.code, explanation["policy_version"]).inc()
            failure = error
        clock.mark("spoken")
        if seq or failure is not None:
            first_token_ms = clock.marks.get("first_token", clock.marks["spoken"]) - clock.marks.get("waited", 0.0)
            outcome: Outcome = "failed" if failure is not None else "answered"
            self._answering.count(explanation["policy_version"], outcome, first_token_ms)
        self._checkpoint("spoken")
        replacement = self._replacement(stored, speech, failure)
        if replacement is not None:
            await tally(self._ledger, "replaced", stored.screen.level, self._now())
        if replacement is not None and careful:
            addition = replacement if not speech.text else f"\n\n{replacement}"
            speech.text += addition
            yield wire.Delta(seq=seq + 1, text=addition)
            failure = None
        async for event in self._commit(stored, speech, replacement, failure, explanation, clock, careful):
            yield event

    async def _in_turn(
        self,
        stored: Stored,
        speech: Speech,
        compose_for: Callable[[Answerer], Awaitable[Prompt]],
        explanation: dict[str, Any],
        clock: _Clock,
        stop: asyncio.Event,
    ) -> AsyncGenerator[str]:
        """Wait in line for the model, then pass on what it says; leaving the line unheard is stopping.

        The policy is chosen when the turn has come, so that nobody who waits is answered by one that was taken back.
        """
        async with self._line.place(stored.message.person_id, stop, urgent=stored.screen.crisis) as come:
            waited_ms = clock.mark("waited") - clock.marks.get("recall", 0.0)
            self._metrics.waited.observe(max(0.0, waited_ms) / 1000)
            if not come:
                speech.outcome = "stopped"
                return
            careful, answerer = stored.screen.level != "none", self._choose(stored)
            explanation.update(_by(answerer))
            with self._answering.speaking(answerer):
                stream = answerer.model.stream(await compose_for(answerer), _sampling(stored, answerer.config))
                async with aclosing(speech.listen(stream, stop, careful=careful)) as pieces:
                    async for text in pieces:
                        yield text

    def _replacement(self, stored: Stored, speech: Speech, failure: ModelError | None) -> str | None:
        """The fixed text, where the model's words were unsafe or none came for a person in crisis."""
        if speech.outcome == "unsafe" and (text := correction(speech.reason, stored.screen)) is not None:
            return text
        if speech.outcome == "unsafe" or (failure is not None and stored.screen.crisis):
            said = [m.text for m in stored.history if m.role == "assistant"]
            return safe_reply(stored.screen, stored.settings.country, said=said)
        return None

    async def _commit(
        self,
        stored: Stored,
        speech: Speech,
        replacement: str | None,
        failure: ModelError | None,
        explanation: dict[str, Any],
        clock: _Clock,
        careful: bool,
    ) -> AsyncIterator[wire.Event]:
        """Store the reply with what explains it, and say how the turn ended."""
        retracted = replacement is not None and not careful
        text = replacement if retracted and replacement is not None else speech.text
        if failure is not None and not text:
            self._metrics.turns.labels("model_error", explanation["policy_version"]).inc()
            self._learned()
            yield wire.StreamError(error=error_body(failure))
            return
        partial = failure is not None or speech.outcome == "stopped"
        appended = await self._ledger.messages.append(
            stored.message.person_id,
            stored.message.conversation_id,
            "assistant",
            text,
            parent_id=stored.message.id,
            status="retracted" if retracted else "partial" if partial else "complete",
            explanation={**explanation, "timings": clock.marks},
        )
        self._checkpoint("replied")
        if not stored.submission.conversation.incognito:
            called_up = [id for id in explanation["fact_ids"] if id not in explanation["profile_ids"]]
            await self._ledger.facts.recalled(stored.message.person_id, called_up, datetime.now(UTC))
        self._learned()
        clock.mark("stored")
        outcome = "partial" if partial else "retracted" if retracted else "complete"
        self._metrics.turns.labels(outcome, explanation["policy_version"]).inc()
        if failure is not None:
            yield wire.StreamError(error=error_body(failure))
            return
        if retracted:
            yield wire.MessageRetracted(message_id=appended.message.id, reason=speech.reason, replacement=text)
        yield wire.MessageCompleted(
            message=wire_message(appended.message),
            usage=wire.Usage(prompt_tokens=speech.prompt_tokens, completion_tokens=speech.completion_tokens),
            policy_version=explanation["policy_version"],
            timings=clock.marks,
            finish_reason="length" if speech.cut else "stop",
        )

    async def recollect(self, submission: Submission, settings: Settings, message_id: str) -> Recollection:
        """Return what a message calls up, which is or is about to be stored under that id; never raises."""
        if not settings.memory or submission.memory == "off":
            return Recollection(status="off")
        recollection = await self._recall.recall(
            submission.person_id, submission.text, exclude_message_ids=(message_id,)
        )
        self._metrics.recalls.labels(recollection.status).inc()
        self._metrics.recall_seconds.observe(recollection.elapsed_ms / 1000)
        return recollection

    async def _persona(self, stored: Stored) -> Persona | None:
        if not stored.settings.persona or stored.submission.memory == "off":
            return None
        return await self._beliefs.persona(stored.message.person_id, datetime.now(UTC))

    async def _reminder(self, stored: Stored) -> wire.Notice | None:
        """After hours of use without a longer pause: that this is an AI, and that a break does good."""
        at, person_id = stored.message.created_at, stored.message.person_id
        hours = due(await self._ledger.presence.times(person_id, at - LOOKBACK, at), self._remind_every)
        if hours is None:
            return None
        return wire.Notice(code="reminder", text=self._ai_reminder.replace("{hours}", str(hours)))

    def _compose(
        self,
        stored: Stored,
        recollection: Recollection,
        person: Persona | None,
        support: SupportPlan,
        answerer: Answerer,
    ) -> Prompt:
        facts = tuple(recalled.fact.text for recalled in recollection.facts)
        messages = compose(
            answerer.config.preset,
            plan=support,
            persona=person,
            history=stored.history,
            facts=facts,
            message=stored.message.text,
            profile=[fact.text for fact in recollection.profile],
            context_tokens=answerer.config.context_tokens,
            max_reply_tokens=_sampling(stored, answerer.config).max_tokens,
        )
        if stored.submission.instructions:
            messages = _instructed(messages, stored.submission.instructions)
        replies = tuple(m.text for m in stored.history if m.role == "assistant")
        situation = Situation(stored.message.text, support, facts, replies)
        return Prompt(messages, situation, cache_salt=stored.message.person_id)

    def _choose(self, stored: Stored) -> Answerer:
        return self._answering.choose(stored.message.conversation_id, _last_version(stored.history))

    def _notices(self, stored: Stored) -> Sequence[wire.Notice]:
        if stored.history:
            return ()
        notices = [wire.Notice(code="ai", text=self._ai_notice)]
        identity = self._choose(stored).model.identity
        if identity.engine == "builtin":
            notices.append(wire.Notice(code="builtin", text=identity.description))
        return notices

    def _safety(self, stored: Stored) -> wire.Safety:
        previous = [m.crisis_level for m in stored.history if m.crisis_level is not None]
        shown = show_card(previous, stored.screen.level)
        return wire.Safety(
            level=stored.screen.level,
            categories=list(stored.screen.categories),
            resources=card(stored.settings.country, stored.screen.language) if shown else None,
        )


def _sampling(stored: Stored, config: ModelConfig) -> Sampling:
    configured = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
    wanted = stored.submission.sampling
    if wanted is None:
        return configured
    return replace(
        wanted,
        temperature=configured.temperature if wanted.temperature is None else wanted.temperature,
        max_tokens=min(wanted.max_tokens, configured.max_tokens),
    )


def _from(recollection: Recollection) -> dict[str, Any]:
    """What a reply is made from, as it is kept with the reply."""
    recalled, known = [found.fact.id for found in recollection.facts], [fact.id for fact in recollection.profile]
    return {"fact_ids": [*recalled, *known], "profile_ids": known, "recall": recollection.status}


def _by(answerer: Answerer) -> dict[str, str]:
    """Which policy answers, as it is kept with the reply."""
    preset = answerer.config.preset
    return {"policy_version": answerer.version, "preset": preset, "prompt_hash": prompt_hash(preset)}


def _last_version(history: Sequence[Message]) -> str | None:
    """The policy version of the newest reply that says it."""
    versions = ((m.explanation or {}).get("policy_version") for m in reversed(history) if m.role == "assistant")
    return next((str(version) for version in versions if version), None)


def _asked(history: Sequence[Message]) -> bool:
    """Whether the last reply ended with a question."""
    last = next((m for m in reversed(history) if m.role == "assistant"), None)
    return last is not None and last.text.rstrip().endswith(("?", "？"))


def _instructed(messages: tuple[ChatMessage, ...], instructions: str) -> tuple[ChatMessage, ...]:
    """Add what an app asks for below our own system text, which stays in force."""
    system, *rest = messages
    text = f"{system['content']}\n\nThe app people use asks for this; the rules above stand:\n{instructions}"
    return ({"role": "system", "content": text}, *rest)
