"""What Attune remembers about the person, with the words it rests on; anything can be forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from tui.errors import TerminalError
from tui.keys import bindings
from tui.link import Link
from tui.messages import MemoriesListed, RequestFailed
from tui.screens.confirm import ConfirmScreen
from tui.text import one_line
from tui.widgets.picker import Choice, Picker

if TYPE_CHECKING:
    from assistant import wire


class MemoriesScreen(Screen[None]):
    """A page with every memory, newest first."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("memories")

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self._listed: dict[str, wire.Memory] = {}
        self.loaded = False

    def compose(self) -> ComposeResult:
        """Heading, filter and list, footer."""
        yield Static("What Attune remembers about you", id="heading", markup=False)
        yield Static("", id="count", markup=False)
        yield Picker(
            "Type to find a memory", "Nothing yet. What you tell Attune about yourself appears here.", ruled=True
        )
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Ask for the memories."""
        self.action_reload()

    def action_reload(self) -> None:
        """Ask for the memories again."""
        self._list()

    @work(group="list", exclusive=True)
    async def _list(self) -> None:
        try:
            found = await (await self._link.client()).memories()
        except TerminalError as error:
            self.post_message(RequestFailed("Could not list the memories", error))
        else:
            self.post_message(MemoriesListed(found))

    @on(MemoriesListed)
    def show(self, message: MemoriesListed) -> None:
        """Show the memories."""
        self._listed = {memory.id: memory for memory in message.memories}
        self.loaded = True
        count = len(self._listed)
        self.query_one("#count", Static).update(f"{count} {'memory' if count == 1 else 'memories'}" if count else "")
        self.query_one(Picker).show([_choice(memory) for memory in message.memories])

    @on(RequestFailed)
    def complain(self, message: RequestFailed) -> None:
        """Say what could not be done."""
        self.notify(str(message.error), title=message.title, severity="error", timeout=10, markup=False)

    def action_forget(self) -> None:
        """Forget the marked memory, after asking."""
        marked = self.query_one(Picker).marked
        if marked is not None:
            self._forget(self._listed[marked])

    @work(group="forget", exclusive=True)
    async def _forget(self, memory: wire.Memory) -> None:
        try:
            client = await self._link.client()
            would_go = (await client.forget(memory.id, dry_run=True)).forgotten
            if not await self.app.push_screen_wait(ConfirmScreen(self._question(memory, would_go), "Forget")):
                return
            gone = await client.forget(memory.id)
            found = await client.memories()
        except TerminalError as error:
            self.post_message(RequestFailed("Not forgotten", error))
            return
        self.notify(f"{len(gone.forgotten)} forgotten, for good.", timeout=4)
        self.post_message(MemoriesListed(found))

    def _question(self, memory: wire.Memory, would_go: list[str]) -> str:
        others = [self._listed[id].text for id in would_go if id != memory.id and id in self._listed]
        also = "".join(f"\n  • {one_line(text, 200)}" for text in others)
        return f"Forget this for good?\n\n  {memory.text}" + (f"\n\nWith it goes:{also}" if also else "")

    def action_back(self) -> None:
        """Return to the conversation."""
        self.dismiss()


def _choice(memory: wire.Memory) -> Choice:
    quotes = [f"“{one_line(evidence.quote, 200)}”" for evidence in memory.evidence]
    about = f"{memory.kind} · {memory.confidence:.0%} sure · {memory.valid_from.astimezone():%Y-%m-%d}"
    lines = [Content.styled(memory.text, "bold")]
    lines += [Content.styled(quote, "italic $muted") for quote in quotes]
    lines.append(Content.styled(about, "$faint"))
    return Choice(memory.id, Content("\n").join(lines), " ".join([memory.text, memory.kind, *quotes]))
