"""The terminal app: themes, the link to the backend, commands for everything, and a careful way out."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui import keys
from tui.backend import Launch
from tui.link import Link, LinkState
from tui.messages import LinkChanged
from tui.preferences import Preferences
from tui.screens.chat import STOP_GRACE_S, ChatScreen
from tui.screens.memories import MemoriesScreen
from tui.themes import DARK, LIGHT

CHECK_S = 15.0
"""How often the state of the backend is looked at."""


class AttuneApp(App[str]):
    """Returns, where there is something to say after the screen is gone, a sentence."""

    TITLE = "Attune"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("anywhere")
    COMMAND_PALETTE_DISPLAY = "^p"

    def __init__(self, launch: Launch, *, stop_grace_s: float = STOP_GRACE_S) -> None:
        super().__init__()
        self._launch = launch
        self._preferences = Preferences.load(launch.home)
        self.link = Link(launch, self._report)
        self.chat = ChatScreen(self.link, enter_sends=self._preferences.enter_sends, stop_grace_s=stop_grace_s)
        self._leaving = False
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = LIGHT.name if self._preferences.theme == "light" else DARK.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The names that our style sheet uses beside Textual's, for themes that do not set them."""
        return {name: DARK.variables[name] for name in ("muted", "faint")}

    def get_key_display(self, binding: Binding) -> str:
        """Keys in the footer: `F3`, `^N`."""
        return keys.short(binding.key)

    def get_default_screen(self) -> Screen[Any]:
        """The chat is what everything else lies over."""
        return self.chat

    def on_mount(self) -> None:
        """Begin to look after the backend; leave in good order when the terminal goes."""
        self.set_interval(CHECK_S, self.link.check)
        if not self.is_headless and sys.platform != "win32":
            loop = asyncio.get_running_loop()
            for signum in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(signum, self.exit)

    async def on_unmount(self) -> None:
        """Close the connections."""
        await self.link.close()

    def _report(self, state: LinkState) -> None:
        self.chat.post_message(LinkChanged(state))

    # ---------------------------------------------------------------- commands

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """A command for everything in the key map that makes sense on this screen."""
        scopes: dict[type[Screen[Any]], tuple[keys.Scope, ...]] = {
            ChatScreen: ("chat", "prompt"),
            MemoriesScreen: ("memories",),
        }
        for scope in (*scopes.get(type(screen), ()), "anywhere"):
            for key in keys.in_scope(scope):
                if key.command:
                    owner = self if scope == "anywhere" else screen
                    yield SystemCommand(key.command, key.help, partial(owner.run_action, key.action))

    def action_help(self) -> None:
        """Show every key."""
        from tui.screens.help import HelpScreen

        self.push_screen(HelpScreen())

    def action_toggle_theme(self) -> None:
        """Switch between the light and the dark theme."""
        dark = self.theme != LIGHT.name
        self.theme = LIGHT.name if dark else DARK.name
        self.keep_preference(theme="light" if dark else "dark")

    def keep_preference(self, **changes: Any) -> None:
        """Remember what the person likes, for the next start as far as the disk allows."""
        self._preferences = replace(self._preferences, **changes)
        try:
            self._preferences.save(self._launch.home)
        except OSError as error:
            self.notify(f"This holds until you leave: {error}", severity="warning", markup=False)

    # ---------------------------------------------------------------- the way out

    async def action_quit(self) -> None:
        """Let a backend of ours finish what it was told, then leave; asked twice, leave at once."""
        backend = self.link.backend
        if self._leaving or backend is None or not backend.ours:
            self.exit(self._last_words())
            return
        from tui.screens.farewell import FarewellScreen

        self._leaving = True
        self.push_screen(FarewellScreen())
        self._finish()

    @work(group="finish")
    async def _finish(self) -> None:
        backend = self.link.backend
        if backend is not None:
            backend.ask_to_stop()
            await backend.stopped()
        self.exit(self._last_words())

    def _last_words(self) -> str | None:
        backend = self.link.backend
        if backend is None or not backend.ours or backend.process is None:
            return None
        return f"Attune is still finishing what you told it (process {backend.process.pid}); it leaves by itself."
