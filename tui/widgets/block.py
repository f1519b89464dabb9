"""One message in the conversation: what the person said, or a reply; it can be marked with the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.widgets import Static

from tui.keys import bindings

if TYPE_CHECKING:
    from assistant import wire


class Block(Static, can_focus=True):
    """Marked means focused. Clicking does not mark: who clicks and types on wants to write.

    What can be drawn as one piece of text is: a conversation is many blocks, and every widget costs time.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings("message")
    FOCUS_ON_CLICK = False

    def __init__(self, text: str, message: wire.Message | None = None) -> None:
        super().__init__(classes="block", markup=False)
        self.text = text
        self.message = message
        """As the backend keeps it; None until it has said so."""

    def tell(self, note: str) -> None:
        """Say something quietly below the message."""
        raise NotImplementedError

    @property
    def message_id(self) -> str:
        """The backend's id; empty until it has said it."""
        return self.message.id if self.message is not None else ""
