"""What Attune remembers about the person, with the words it rests on; anything can be corrected and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Footer, Static

from tui.errors import TerminalError
from tui.key_table import Scope
from tui.keys import bindings
from tui.link import Link
from tui.messages import RequestFailed
from tui.screens.ask import AskScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.page import Page
from tui.text import one_line
from tui.widgets.picker import Choice, Picker

if TYPE_CHECKING:
    from assistant import wire
    from tui.client import Client


class MemoriesScreen(Page[None]):
    """A page with every memory, newest first."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ("memories",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("memories")
    COMPLAINT = "The memories stay as they were"

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self._listed: dict[str, wire.Memory] = {}

    def compose(self) -> ComposeResult:
        """Heading, filter and list, footer."""
        yield Static("What Attune remembers about you", id="heading", markup=False)
        yield Static("", id="count", markup=False)
        yield Picker(
            "Type to find a memory", "Nothing yet. What you tell Attune about yourself appears here.", ruled=True
        )
        yield Footer(compact=True, show_command_palette=False)

    async def fetch(self, client: Client) -> object:
        """Ask for the memories."""
        return await client.memories()

    async def show(self, value: Any) -> None:
        """Show the memories."""
        self._listed = {memory.id: memory for memory in value}
        count = len(self._listed)
        words = f"{count} {'memory' if count == 1 else 'memories'} · Enter corrects the marked one" if count else ""
        self.query_one("#count", Static).update(words)
        self.query_one(Picker).show([_choice(memory) for memory in value])

    def text_of(self, id: str) -> str:
        """What is remembered under this id; nothing where it is not listed."""
        return self._listed[id].text if id in self._listed else ""

    @on(Picker.Picked)
    def pick(self, message: Picker.Picked) -> None:
        """Correct what was picked."""
        self._correct(message.id)

    @work(group="correct", exclusive=True)
    async def _correct(self, id: str) -> None:
        await correct_memory(self, id, self.text_of(id))

    @work(group="remember", exclusive=True)
    async def action_remember(self) -> None:
        """Tell Attune something to remember."""
        text = await self.app.push_screen_wait(AskScreen("What should Attune remember about you?"))
        if text and text.strip():

            async def remember(client: Client) -> object:
                await client.remember(text)
                return await self.fetch(client)

            self.ask(remember)

    def action_confirm(self) -> None:
        """Say that the marked memory is right."""
        self._review(confirmed=True)

    def action_decline(self) -> None:
        """Say that the marked memory is wrong."""
        self._review(confirmed=False)

    def _review(self, *, confirmed: bool) -> None:
        marked = self.query_one(Picker).marked
        if marked is None:
            return

        async def review(client: Client) -> object:
            await (client.confirm(marked) if confirmed else client.decline(marked))
            self.notify("Confirmed." if confirmed else "Ended; the same words do not teach it again.", timeout=4)
            return await self.fetch(client)

        self.ask(review)

    def action_forget(self) -> None:
        """Forget the marked memory, after asking."""
        marked = self.query_one(Picker).marked
        if marked is not None:
            self._forget(marked)

    @work(group="forget", exclusive=True)
    async def _forget(self, id: str) -> None:
        await forget_memory(self, id, self.text_of(id))


async def correct_memory(page: Page[None], id: str, text: str) -> None:
    """Ask what is right in place of a memory, tell the backend, and let the page show what it says now."""
    about = "What was remembered ends and is used no more. Your word needs no message to rest on."
    right = await page.app.push_screen_wait(AskScreen("What is right instead?", text, about=about))
    if right is None or not right.strip() or right.strip() == text:
        return

    async def tell(client: Client) -> object:
        await client.correct(id, right)
        return await page.fetch(client)

    page.ask(tell)


async def forget_memory(page: Page[None], id: str, text: str) -> None:
    """Say what would go, ask, forget it, and let the page show what is left."""
    try:
        client = await page.link.client()
        would_go = (await client.forget(id, dry_run=True)).forgotten
    except TerminalError as error:
        page.post_message(RequestFailed("Not forgotten", error))
        return
    listed = page.text_of if isinstance(page, MemoriesScreen) else lambda _: ""
    others = [listed(one) or "an earlier version of it" for one in would_go if one != id]
    also = "".join(f"\n  • {one_line(other, 200)}" for other in others)
    question = f"Forget this for good?\n\n  {text}" + (f"\n\nWith it goes:{also}" if also else "")
    if not await page.app.push_screen_wait(ConfirmScreen(question, "Forget")):
        return

    async def forget(client: Client) -> object:
        gone = await client.forget(id)
        page.notify(f"{len(gone.forgotten)} forgotten, for good.", timeout=4)
        return await page.fetch(client)

    page.ask(forget)


def _choice(memory: wire.Memory) -> Choice:
    quotes = [f"“{one_line(evidence.quote, 200)}”" for evidence in memory.evidence]
    sure = "you said it is right" if memory.review == "confirmed" else f"{memory.confidence:.0%} sure"
    about = f"{memory.kind} · {sure} · {memory.valid_from.astimezone():%Y-%m-%d}"
    lines = [Content.styled(memory.text, "bold")]
    lines += [Content.styled(quote, "italic $muted") for quote in quotes]
    lines.append(Content.styled(about, "$faint"))
    return Choice(memory.id, Content("\n").join(lines), " ".join([memory.text, memory.kind, *quotes]))
