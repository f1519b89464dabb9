"""What the person said, as a block of the conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from tui.text import variant_of
from tui.widgets.block import Block

if TYPE_CHECKING:
    from assistant import wire


class Said(Block):
    """One message of the person; shown as written, never as markup."""

    def __init__(self, text: str, message: wire.Message | None = None) -> None:
        super().__init__(text, message)
        self.tell("" if message is None else variant_of(message.id, message.variants))

    def tell(self, note: str) -> None:
        """Say quietly what became of the message."""
        below = [("\n" + note, "italic $warning")] if note else []
        self.update(Content.assemble(("You", "bold $secondary"), "\n", self.text, *below))
