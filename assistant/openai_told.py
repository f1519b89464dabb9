"""What a turn tells besides its words, as the `attune` field of the OpenAI-compatible answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from assistant import wire
from assistant.safety.resources import card_text


@dataclass(slots=True)
class Told:
    """Gathered from the events of one turn, in their order."""

    conversation_id: str = ""
    message_id: str | None = None
    """Of the reply, once it is stored."""
    policy_version: str | None = None
    notices: list[dict[str, str]] = field(default_factory=list)
    safety: wire.Safety | None = None
    retracted: wire.MessageRetracted | None = None

    def take(self, event: wire.Event) -> None:
        """Note what `event` tells."""
        if isinstance(event, wire.MessageCreated):
            self.conversation_id = event.conversation_id
        elif isinstance(event, wire.Notice):
            self.notices.append({"code": event.code, "text": event.text})
        elif isinstance(event, wire.Safety):
            self.safety = event
        elif isinstance(event, wire.MessageRetracted):
            self.retracted = event
        elif isinstance(event, wire.MessageCompleted):
            self.message_id, self.policy_version = event.message.id, event.policy_version

    @property
    def resources(self) -> str:
        """The crisis lines as text that follows the reply, for clients that show nothing else."""
        card = None if self.safety is None else self.safety.resources
        return "" if card is None else f"\n\n{card_text(card)}"

    def field(self) -> dict[str, Any]:
        """All of it as JSON."""
        safety = self.safety or wire.Safety(level="none")
        return {
            "conversation_id": self.conversation_id,
            "message_id": self.message_id,
            "policy_version": self.policy_version,
            "notices": self.notices,
            "safety": safety.model_dump(mode="json", exclude={"type"}),
            "retracted": None if self.retracted is None else self.retracted.model_dump(exclude={"type"}),
        }
