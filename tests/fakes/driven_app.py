"""The terminal app without a terminal, driven key by key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from textual.message import Message
from textual.notifications import Notify
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import OptionList, Static

from assistant import wire
from tui.app import AttuneApp
from tui.backend import Launch
from tui.messages import EventArrived
from tui.preferences import Preferences
from tui.screens.chat import STOP_GRACE_S
from tui.widgets.conversation import Conversation
from tui.widgets.prompt import Prompt
from tui.widgets.quiet import Quiet
from tui.widgets.reply import Reply
from tui.widgets.said import Said

PATIENCE_S = 120.0


@dataclass
class DrivenApp:
    """A running app and everything that was posted in it."""

    app: AttuneApp
    pilot: Pilot[str]
    posted: dict[int, Message] = field(default_factory=dict)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Let the app work until the condition holds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        while not condition():
            assert loop.time() < deadline, f"it did not happen: {what}\n{self.seen}\n{self.toasts}"
            await self.pilot.pause(0.01)
        await self.pilot.pause()

    async def write(self, text: str) -> None:
        """Put a text into the prompt, as pasting does."""
        self.prompt.insert(text)
        await self.pilot.pause()

    async def say(self, text: str) -> None:
        """Send a message and wait until its reply has ended."""
        await self.write(text)
        await self.pilot.press("enter")
        await self.until(lambda: not self.app.chat.answering, f"an answer to {text!r}")

    @property
    def prompt(self) -> Prompt:
        """Where the person writes."""
        return self.app.chat.query_one(Prompt)

    @property
    def replies(self) -> list[Reply]:
        """The replies on the screen."""
        return list(self.app.chat.query(Reply))

    @property
    def seen(self) -> list[str]:
        """The blocks of the conversation as text, each with who said it."""
        lines = []
        for block in self.app.chat.query_one(Conversation).children:
            if isinstance(block, Said):
                lines.append(f"You: {block.text}")
            elif isinstance(block, Reply):
                lines.append(f"Attune: {block.text}" + (f" [{block.noted}]" if block.noted else ""))
            elif isinstance(block, Quiet):
                lines.append(f"— {block.visual}")
            else:
                lines.append(type(block).__name__)
        return lines

    @property
    def toasts(self) -> list[str]:
        """The toasts so far."""
        shown = [message.notification for message in self.posted.values() if isinstance(message, Notify)]
        return [f"{notification.title}: {notification.message}" for notification in shown]

    @property
    def arrived(self) -> list[wire.Event]:
        """The events of the backend in the order in which the screen got them."""
        return [message.event for message in self.posted.values() if isinstance(message, EventArrived)]

    @property
    def listed(self) -> int:
        """How many entries the list in front has; -1 where there is none yet."""
        lists = self.app.screen.query(OptionList)
        return sum(1 for one in lists for option in one.options if option.id is not None) if lists else -1

    @property
    def picture(self) -> str:
        """The screen in front, as text."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    async def shows(self, kind: type[Screen[Any]], count: int = -1) -> None:
        """Wait until a screen is in front, and its list has so many entries."""
        await self.until(
            lambda: isinstance(self.app.screen, kind) and (count < 0 or self.listed == count), f"{kind.__name__}"
        )

    async def connected(self) -> None:
        """Wait until the backend is there."""
        await self.until(lambda: self.state.startswith("● connected"), "the connection")

    @property
    def state(self) -> str:
        """What the chat says of the backend; nothing before its first frame."""
        return " ".join(str(line.visual) for line in self.app.chat.query("#state").results(Static))

    def line(self, selector: str) -> str:
        """What one line of the screen in front says; nothing where it is not there yet."""
        lines = self.app.screen.query(selector).results(Static)
        return " ".join(str(line.visual) for line in lines)


@asynccontextmanager
async def driven(
    launch: Launch,
    size: tuple[int, int] = (80, 24),
    stop_grace_s: float = STOP_GRACE_S,
    met: bool | None = True,
) -> AsyncIterator[DrivenApp]:
    """Run the app; nothing moves by itself in it. `met`: whether the first page was read; None leaves it as it is."""
    if met is not None:
        replace(Preferences.load(launch.home), met=met).save(launch.home)
    app = AttuneApp(launch, stop_grace_s=stop_grace_s)
    app.animation_level = "none"
    posted: dict[int, Message] = {}

    def note(message: Message) -> None:
        posted.setdefault(id(message), message)  # the hook sees a message more than once

    async with app.run_test(size=size, notifications=True, message_hook=note) as pilot:
        yield DrivenApp(app, pilot, posted)
