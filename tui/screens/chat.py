"""The chat with everything that can be done from it with a key.

The message meant is the marked one, else the newest it can mean. The turn itself is `tui.screens.talk`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, cast

from textual import work
from textual.app import SuspendNotSupported
from textual.binding import BindingType

from tui.errors import TerminalError
from tui.key_table import Scope
from tui.keys import bindings, key_map
from tui.messages import RequestFailed
from tui.screens.talk import STOP_GRACE_S as STOP_GRACE_S
from tui.screens.talk import TalkScreen

if TYPE_CHECKING:
    from assistant import wire
    from tui.app import AttuneApp


class ChatScreen(TalkScreen):
    """Conversation above, prompt below."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ("chat", "prompt")
    BINDINGS: ClassVar[list[BindingType]] = bindings("chat")

    # ---------------------------------------------------------------- messages

    async def action_regenerate(self) -> None:
        """Ask for another reply."""
        reply = self.conversation.chosen("assistant")
        if reply is None or not self._at_rest("Another reply"):
            return
        said = self.conversation.before(reply)
        if reply.message_id:
            await self.say_again(reply.message_id)
        elif said is not None and said.message_id:
            await self.send_edit(said, said.text)

    def action_edit(self) -> None:
        """Put a message back into the prompt."""
        said = self.conversation.chosen("user")
        if said is not None and self._at_rest("Editing"):
            self.start_editing(said)

    def action_copy(self) -> None:
        """Copy the marked message, or the last reply."""
        block = self.conversation.marked or self.conversation.chosen("assistant")
        if block is not None:
            self.app.copy_to_clipboard(block.text)
            self.notify("Copied, where your terminal allows it.", timeout=3)

    def action_why(self) -> None:
        """Show why a reply was said."""
        from tui.screens.why import WhyScreen

        reply = self.conversation.chosen("assistant")
        if reply is None:
            self.notify("There is no reply yet.", timeout=3)
        elif not reply.message_id:
            self._not_kept()
        else:
            self.app.push_screen(WhyScreen(self.link, reply.message_id, reply.text))

    def action_good(self) -> None:
        """Say that a reply was good."""
        self._rate("up")

    def action_bad(self) -> None:
        """Say that a reply was not good."""
        self._rate("down")

    @work(group="rate")
    async def _rate(self, rating: Literal["up", "down"]) -> None:
        from tui.widgets.reply import Reply

        reply = self.conversation.chosen("assistant")
        if not isinstance(reply, Reply):
            return
        if not reply.message_id:
            self._not_kept()
            return
        reason: str | None = ""
        if rating == "down":
            from tui.screens.ask import AskScreen

            asked = AskScreen("What was not good about it?", hint="Enter sends, empty if you like · Esc leaves it")
            reason = await self.app.push_screen_wait(asked)
        if reason is None:
            return
        try:
            await (await self.link.client()).rate(reply.message_id, rating, reason)
        except TerminalError as error:
            self.post_message(RequestFailed("Not noted", error))
            return
        reply.tell("rated good" if rating == "up" else "rated not good")
        self.notify("Thank you. It is used for training only if your settings allow it.", timeout=4)

    def action_variant(self, step: int) -> None:
        """Show another reply, or wording, in this place."""
        block = self.conversation.marked
        if block is None or block.message is None or self.open_one is None or not self._at_rest("Changing the branch"):
            return
        variants = block.message.variants
        at = variants.index(block.message_id) + step if block.message_id in variants else -1
        if 0 <= at < len(variants):
            self.load(self.open_one, variants[at])
        else:
            self.notify("There is no other one on that side.", timeout=3)

    def _not_kept(self) -> None:
        again = key_map(self.app).first_key("regenerate")
        self.notify(f"This reply broke off, and the backend did not keep it; {again} asks for another.", timeout=4)

    def _at_rest(self, what: str) -> bool:
        if self.answering:
            self.notify(f"{what} has to wait for the reply; Esc stops it.", timeout=4)
        return not self.answering

    # ---------------------------------------------------------------- marking and looking

    def action_mark_back(self) -> None:
        """Mark the message before."""
        self.conversation.mark(-1)

    async def action_mark_ahead(self) -> None:
        """Mark the next message; after the last, write again."""
        if not self.conversation.mark(1):
            await self.action_write()

    async def action_write(self) -> None:
        """Return to writing, at the newest message."""
        self.prompt.focus()
        await self.action_newest()

    def action_look_back(self) -> None:
        """Scroll the conversation back."""
        self.conversation.look_back()

    def action_look_ahead(self) -> None:
        """Scroll the conversation on."""
        self.conversation.look_ahead()

    async def action_newest(self) -> None:
        """Show the newest message, however far away it is."""
        await self.conversation.show_end()
        self.conversation.anchor()

    # ---------------------------------------------------------------- conversations and the prompt

    async def action_new(self) -> None:
        """Begin a new conversation."""
        await self.begin_new()

    async def action_incognito(self) -> None:
        """Begin a conversation that leaves nothing behind."""
        await self.begin_new(incognito=True)
        self.notify("Nothing is learned from this conversation. It is deleted when you leave it.", title="Incognito")
        self.show_title("new")

    def action_conversations(self) -> None:
        """Show the conversations beside the chat."""
        from tui.screens.conversations import ConversationsScreen

        self.app.push_screen(ConversationsScreen(self.link, self.open_one), self._reopen)

    @work(group="last", exclusive=True)
    async def action_last(self) -> None:
        """Go back to the conversation before this one."""
        found, here = self.before, self.place
        if found is None or found.id == here:
            try:
                listed = await (await self.link.client()).conversations(most=2)
            except TerminalError as error:
                self.post_message(RequestFailed("Could not open the last conversation", error))
                return
            found = next((one for one in listed if one.id != here), None)
        if found is None:
            self.notify("There is no earlier conversation.", timeout=3)
        else:
            self.load(found)

    async def _reopen(self, conversation: wire.Conversation | None) -> None:
        if conversation is None:
            return
        if conversation.id == "":
            await self.begin_new()
        else:
            self.load(conversation)

    def action_compose(self) -> None:
        """Write in the person's own editor."""
        from tui import editor

        try:
            with self.app.suspend():
                text = editor.edit(self.prompt.text)
        except SuspendNotSupported:
            self.notify("An editor cannot be opened from this terminal.", severity="warning")
        except TerminalError as error:
            self.post_message(RequestFailed("The editor did not work", error))
        else:
            self.prompt.hold(text)
        self.prompt.focus()

    def action_swap_enter(self) -> None:
        """Let Enter and Ctrl+J change places."""
        self.prompt.enter_sends = not self.prompt.enter_sends
        cast("AttuneApp", self.app).keep_preference(enter_sends=self.prompt.enter_sends)
