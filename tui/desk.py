"""What a slash command is, and what it finds and uses of the plain mode."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tui.turn import Turn

if TYPE_CHECKING:
    from assistant import wire
    from tui.client import Client
    from tui.link import Link


@dataclass(slots=True)
class Sheet:
    """A questionnaire on its way."""

    questionnaire: wire.Questionnaire
    items: int
    answers: dict[str, int] = field(default_factory=dict)


class Desk(Protocol):
    """What a command finds and uses of the plain mode."""

    conversation: wire.Conversation | None
    before: wire.Conversation | None
    incognito: bool
    sheet: Sheet | None
    link: Link
    listed: list[wire.Conversation]

    async def client(self) -> Client: ...  # noqa: D102
    def show(self, lines: Iterable[str]) -> None: ...  # noqa: D102
    def note(self, text: str) -> None: ...  # noqa: D102
    async def leave(self) -> None: ...  # noqa: D102
    async def say(self, turn: Turn) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Command:
    """One slash command."""

    name: str
    takes: str
    help: str
    run: Callable[[Desk, str], Awaitable[None]]
