"""Where the person writes: grows with the text, sends on Enter, keeps what was not sent."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import TextArea

from tui.keys import bindings, key_map
from tui.text import one_line

JOINERS = ("\u200c", "\u200d")
"""Part of words in Persian and Indic scripts and of many emoji; Textual drops them as not printable."""


class Prompt(TextArea):
    """A text area that posts `Submitted`; it is emptied by whoever takes the text, not by sending."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("prompt")

    enter_sends: reactive[bool] = reactive(True)

    class Submitted(Message):
        """The person wants what the prompt holds to be sent."""

    class Recalled(Message):
        """In an empty prompt the person asked for what they wrote before."""

    def __init__(self, *, enter_sends: bool = True) -> None:
        super().__init__(
            id="prompt", placeholder="Write to Attune…", highlight_cursor_line=False, show_line_numbers=False
        )
        self._sent = ""
        self.set_reactive(Prompt.enter_sends, enter_sends)

    def on_mount(self) -> None:
        """Hold the cursor still where animations are off; say what the keys do."""
        self.watch_enter_sends(self.enter_sends)
        self.cursor_blink = self.app.animation_level != "none"
        self._give_way()

    def _give_way(self) -> None:
        """Let the keys that the person gave to something else do that, where a text area would edit with them."""
        of_key = self._bindings.key_to_bindings
        for key in key_map(self.app).own("prompt", "chat", "anywhere"):
            of_key[key] = [binding for binding in of_key.pop(key, []) if binding.id]

    def watch_enter_sends(self, enter_sends: bool) -> None:
        """Say on the border what the keys do."""
        send, newline = ("Enter", "Ctrl+J") if enter_sends else ("Ctrl+J", "Enter")
        self.border_subtitle = f"{send} sends · {newline} new line"

    def head(self, text: str) -> None:
        """Say on the border what is being written, or what waits to be sent."""
        self.border_title = one_line(text, 80)

    def hold(self, text: str) -> None:
        """Put this text in place of what is there, the cursor at its end."""
        self._fill(text)

    def take(self) -> str:
        """Empty the prompt and return what it held; Up brings it back."""
        self._sent = self.text
        self.text = ""
        return self._sent

    def give_back(self, text: str) -> bool:
        """Put a text back that could not be sent; False where the person has begun another one."""
        if self.text.strip():
            return False
        self._fill(text)
        return True

    def recall(self) -> None:
        """Bring back what was sent last."""
        if not self.text:
            self._fill(self._sent)

    async def _on_key(self, event: events.Key) -> None:
        sends = "enter" if self.enter_sends else "ctrl+j"
        if event.key == sends:
            if self.text.strip():
                self.post_message(self.Submitted())
        elif event.key in ("enter", "ctrl+j", "alt+enter", "shift+enter"):
            self.replace("\n", *self.selection, maintain_selection_offset=False)
            self.scroll_cursor_visible()
        elif event.key == "up" and not self.text:
            self.post_message(self.Recalled())
        elif event.character in JOINERS:
            self.replace(event.character, *self.selection, maintain_selection_offset=False)
        else:
            return
        event.stop()
        event.prevent_default()

    def _fill(self, text: str) -> None:
        self.text = text
        self.move_cursor(self.document.end)
