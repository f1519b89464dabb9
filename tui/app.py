"""The terminal app: themes, the link to the backend, commands for everything, and a careful way out."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.reactive import Initialize, Reactive
from textual.screen import Screen
from textual.theme import Theme

from tui import alt, drafts, keys
from tui.backend import Launch
from tui.link import Link, LinkState
from tui.messages import LinkChanged
from tui.preferences import Preferences
from tui.screens.chat import STOP_GRACE_S, ChatScreen
from tui.themes import THEMES, next_theme

if TYPE_CHECKING:
    from rich.console import RenderableType

CHECK_S = 15.0
"""How often the state of the backend is looked at."""


class AttuneApp(App[str]):
    """Returns, where there is something to say after the screen is gone, a sentence."""

    TITLE = "Attune"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("anywhere")
    COMMAND_PALETTE_DISPLAY = "^p"

    def _chosen_theme(self) -> str:
        return f"attune-{self._preferences.theme}"

    theme: Reactive[str] = Reactive(Initialize(_chosen_theme))
    """Known before the style sheet is read, so that it is read once."""

    def __init__(self, launch: Launch, *, stop_grace_s: float = STOP_GRACE_S) -> None:
        self._preferences = Preferences.load(launch.home)
        super().__init__()
        alt.tell_alt_enter()
        self._launch = launch
        self.link = Link(launch, self._report)
        self.chat = ChatScreen(self.link, enter_sends=self._preferences.enter_sends, stop_grace_s=stop_grace_s)
        self.chat.drafts = drafts.load(launch.home)
        self._leaving = False
        self.key_map = keys.KeyMap.load(launch.home)
        self.set_keymap(self.key_map.overrides())

    @property
    def available_themes(self) -> dict[str, Theme]:
        """Textual's and ours, from the very beginning."""
        return {**super().available_themes, **{theme.name: theme for theme in THEMES}}

    def get_driver_class(self) -> type[Driver]:
        """Draw on the terminal even where standard error goes somewhere else, and take whatever is pasted."""
        usual = super().get_driver_class()
        if sys.platform == "win32" or usual.__name__ != "LinuxDriver":
            return usual
        from tui.terminal import StdoutDriver, TolerantDriver

        return TolerantDriver if sys.stderr.isatty() or not sys.stdout.isatty() else StdoutDriver

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The names that our style sheet uses beside Textual's, for themes that do not set them."""
        return {name: THEMES[0].variables[name] for name in ("muted", "faint")}

    def get_key_display(self, binding: Binding) -> str:
        """Keys in the footer: `F3`, `^N`."""
        return keys.short(binding.key)

    def get_default_screen(self) -> Screen[Any]:
        """The chat is what everything else lies over."""
        return self.chat

    def on_mount(self) -> None:
        """Begin to look after the backend; leave in good order when the terminal goes."""
        self.set_interval(CHECK_S, self.link.check)
        if self.key_map.problem:
            self.notify(self.key_map.problem, title="Your keys", severity="warning", timeout=15, markup=False)
        if not self._preferences.met:
            self.call_after_refresh(self._greet)
        if not self.is_headless and sys.platform != "win32":
            loop = asyncio.get_running_loop()
            for signum in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(signum, self.exit)

    def on_ready(self) -> None:
        """From the first frame on, look for waste in memory, but never again in what the program is made of."""
        if not self.is_headless:
            gc.freeze()
            gc.enable()

    async def on_unmount(self) -> None:
        """Close the connections."""
        await self.link.close()

    async def on_event(self, event: events.Event) -> None:
        """Keys with Alt are commands, whatever the terminal sends for them."""
        alt.without_letter(event)
        await super().on_event(event)

    def _report(self, state: LinkState) -> None:
        self.chat.post_message(LinkChanged(state))

    # ---------------------------------------------------------------- commands

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """A command for everything in the key map that makes sense on this screen."""
        for scope in (*getattr(screen, "SCOPES", ()), "anywhere"):
            for key in self.key_map.in_scope(scope):
                if key.command:
                    owner = self if scope == "anywhere" else screen
                    yield SystemCommand(key.command, key.help, partial(owner.run_action, key.action))

    def action_help(self) -> None:
        """Show every key."""
        from tui.screens.help import HelpScreen

        self._show(HelpScreen)

    def action_persona(self) -> None:
        """Show what is believed of the person."""
        from tui.screens.persona import PersonaScreen

        self._show(PersonaScreen, self.link)

    def action_memories(self) -> None:
        """Show what is remembered."""
        from tui.screens.memories import MemoriesScreen

        self._show(MemoriesScreen, self.link)

    def action_settings(self) -> None:
        """Show what the person allows and prefers."""
        from tui.screens.settings import SettingsScreen

        self._show(SettingsScreen, self.link)

    def action_resources(self) -> None:
        """Show where to turn in a crisis."""
        from tui.screens.resources import ResourcesScreen

        self._show(ResourcesScreen, self.link)

    def _show(self, kind: type[Screen[Any]], *arguments: Any) -> None:
        """Open a screen, or return to it where it lies below what is open."""
        if isinstance(self.screen, kind):
            return
        self.push_screen(kind(*arguments))

    def _greet(self) -> None:
        """The first page of all, once."""
        from tui.screens.first_run import FirstRunScreen

        def met(done: bool | None) -> None:
            if done:
                self.keep_preference(met=True)

        self.push_screen(FirstRunScreen(self.link), met)

    def action_toggle_theme(self) -> None:
        """Go on to the next theme."""
        self.theme = next_theme(self.theme)
        self.keep_preference(theme=self.theme.removeprefix("attune-"))
        self.notify(f"Theme: {self.theme.removeprefix('attune-')}", timeout=2)

    def keep_preference(self, **changes: Any) -> None:
        """Remember what the person likes, for the next start as far as the disk allows."""
        self._preferences = replace(self._preferences, **changes)
        try:
            self._preferences.save(self._launch.home)
        except OSError as error:
            self.notify(f"This holds until you leave: {error}", severity="warning", markup=False)

    # ---------------------------------------------------------------- the way out

    def exit(self, result: str | None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Leave, with what was written and not sent kept for the next start as far as the disk allows."""
        if self.chat.is_mounted:
            with suppress(OSError):
                drafts.save(self._launch.home, self.chat.unsent)
        super().exit(result, return_code, message)

    async def action_quit(self) -> None:
        """Let a backend of ours finish what it was told, then leave; asked twice, leave at once."""
        backend = self.link.backend
        if not self._leaving:
            await self.chat.close_incognito()
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
