"""Where a message arrives: screened, then committed together with the job that learns from it.

Guarantees: what `store` returned cannot be lost any more; what is screened high or imminent is never queued to be
learned from. A message that is taken up again is stored and learned from no second time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

from assistant.metrics import Metrics
from assistant.safety.screen import Screen
from assistant.screening import Screening
from assistant.submission import Stored, Submission
from assistant.tally import tally
from memory.ids import new_id
from memory.ledger.ledger import Ledger
from memory.ledger.messages import JobRequest
from memory.types import Conversation, Message, Settings

Beside = Callable[[Settings, str], None]
"""Is told the person's settings, and the id of the message that is about to be screened and stored."""
HISTORY_MESSAGES = 200
"""At most so many earlier messages are read; the prompt's token budget usually cuts sooner."""


class Inbox:
    """Takes messages in; holds no state of its own."""

    def __init__(
        self,
        ledger: Ledger,
        screening: Screening,
        metrics: Metrics,
        *,
        checkpoint: Callable[[str], None] = lambda _step: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`checkpoint` is called at each step, for fault tests."""
        self._ledger = ledger
        self._screening = screening
        self._metrics = metrics
        self._checkpoint = checkpoint
        self._now = now

    def warming(self) -> AbstractAsyncContextManager[None]:
        """Make the screen ready meanwhile."""
        return self._screening.warming()

    async def store(self, submission: Submission, beside: Beside = lambda _settings, _id: None) -> Stored:
        """Screen and commit the message together with its reflection job; after this nothing can lose it.

        `beside` is called before, to begin what need not wait for it.
        """
        person_id, conversation = submission.person_id, submission.conversation
        settings, message_id = await self._ledger.settings.get(person_id), new_id("msg")
        beside(settings, message_id)
        earlier = await self._earlier(submission)
        history = submission.history if submission.history is not None else earlier
        screened = await self._screening.screen(submission.text, _own_words(history))
        learns = (
            (settings.memory or settings.persona)
            and submission.memory == "on"
            and not conversation.incognito
            and not screened.crisis
        )
        self._checkpoint("screened")
        appended = await self._ledger.messages.append(
            person_id,
            conversation.id,
            "user",
            submission.text,
            parent_id=submission.parent_id,
            as_root=submission.as_root,
            client_message_id=submission.client_message_id,
            created_at=self._now(),
            crisis_level=screened.level,
            id=message_id,
            jobs=[reflection_of(conversation.id, earlier, message_id)] if learns else [],
        )
        self._checkpoint("committed")
        if not appended.created and submission.history is None:
            history = await self._before(appended.message)
        self._metrics.safety.labels(screened.level).inc()
        if appended.created and screened.level != "none":
            await tally(self._ledger, "screened", screened.level, self._now())
        return Stored(submission, appended.message, screened, settings, history, appended.created)

    async def taken_up(self, conversation: Conversation, message: Message) -> Stored:
        """Take a stored message up again, to give it another reply; its level does not fall."""
        settings = await self._ledger.settings.get(message.person_id)
        history = await self._before(message)
        screened = await self._screening.at_first(message.text, _own_words(history))
        if message.crisis_level is not None:
            screened = screened.at_least(message.crisis_level, rule="context.stored")
        submission = Submission(message.person_id, conversation, message.text)
        return Stored(submission, message, screened, settings, history, created=True)

    async def at_first(self, submission: Submission) -> Screen:
        """Screen a message without storing it, and without the second look."""
        history = submission.history if submission.history is not None else await self._earlier(submission)
        return await self._screening.at_first(submission.text, _own_words(history))

    async def _earlier(self, submission: Submission) -> tuple[Message, ...]:
        """The branch that the message continues."""
        messages, person_id = self._ledger.messages, submission.person_id
        if submission.as_root:
            return ()
        if submission.parent_id is not None:
            return tuple(await messages.path(person_id, submission.parent_id, HISTORY_MESSAGES))
        return tuple(await messages.recent(person_id, submission.conversation.id, HISTORY_MESSAGES))

    async def _before(self, message: Message) -> tuple[Message, ...]:
        """The branch that leads to a stored message."""
        return tuple(await self._ledger.messages.path(message.person_id, message.id, HISTORY_MESSAGES + 1))[:-1]


def reflection_of(conversation_id: str, earlier: Sequence[Message], message_id: str) -> JobRequest:
    """The job that learns from a message, with the reply before it for context."""
    context = [m.id for m in earlier[-1:] if m.role == "assistant"]
    return "reflect", {"conversation_id": conversation_id, "message_ids": [*context, message_id]}


def _own_words(history: Sequence[Message]) -> list[str]:
    return [message.text for message in history if message.role == "user"]
