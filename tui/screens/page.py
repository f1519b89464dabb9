"""What the pages and windows share: asking the backend in a worker, and saying what could not be done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual import on, work
from textual.binding import BindingType
from textual.screen import Screen

from tui.errors import TerminalError
from tui.key_table import Scope
from tui.link import Link
from tui.messages import Arrived, RequestFailed

if TYPE_CHECKING:
    from tui.client import Client

ResultT = TypeVar("ResultT")


class Page(Screen[ResultT], Generic[ResultT]):
    """A screen over what one request answers; it is asked for on opening and again with F5."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ()
    BINDINGS: ClassVar[list[BindingType]] = []
    COMPLAINT = "That did not work"

    def __init__(self, link: Link) -> None:
        super().__init__()
        self.link = link
        self.loaded = False

    async def fetch(self, client: Client) -> object:
        """Ask for what is shown."""
        raise NotImplementedError

    async def show(self, value: object) -> None:
        """Show what was answered."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Ask at once."""
        self.action_reload()

    def action_reload(self) -> None:
        """Ask again."""
        self.ask(self.fetch)

    def action_back(self) -> None:
        """Return to where the person came from."""
        self.dismiss(None)

    @work(group="ask", exclusive=True)
    async def ask(self, request: Callable[[Client], Awaitable[object]]) -> None:
        """Send a request; what it answers is shown."""
        try:
            value = await request(await self.link.client())
        except TerminalError as error:
            self.post_message(RequestFailed(self.COMPLAINT, error))
        else:
            self.post_message(Arrived(value))

    @on(Arrived)
    async def arrived(self, message: Arrived) -> None:
        """Show what was answered."""
        self.loaded = True
        await self.show(message.value)

    @on(RequestFailed)
    def complain(self, message: RequestFailed) -> None:
        """Say what could not be done."""
        self.notify(str(message.error), title=message.title, severity="error", timeout=10, markup=False)
