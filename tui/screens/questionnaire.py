"""A questionnaire, one statement at a time; leaving it keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.events import Key
from textual.widgets import Footer, OptionList, ProgressBar, Static
from textual.widgets.option_list import Option

from tui.key_table import Scope
from tui.keys import bindings
from tui.link import Link
from tui.screens.page import Page

if TYPE_CHECKING:
    from assistant import wire
    from tui.client import Client


class QuestionnaireScreen(Page[bool]):
    """Dismissed with True once the answers are handed in."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ("questionnaire",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("questionnaire")
    COMPLAINT = "The questionnaire did not work"
    questions: wire.Questionnaire | None = None

    def __init__(self, link: Link, items: int) -> None:
        super().__init__(link)
        self._items = items
        self.answers: dict[str, int] = {}
        self.at = 0
        """Number of the statement that is shown."""

    def compose(self) -> ComposeResult:
        """Heading, instructions, progress, the statement and its answers."""
        yield Static("How accurately does this describe you?", id="heading", markup=False)
        yield Static("One moment…", id="count", markup=False)
        with Vertical(id="sheet"):
            yield ProgressBar(total=self._items, show_eta=False, show_percentage=False)
            yield Static("", id="place", markup=False)
            yield Static("", id="statement", markup=False)
            yield OptionList(markup=False)
        yield Footer(compact=True, show_command_palette=False)

    async def fetch(self, client: Client) -> object:
        """Ask for the statements."""
        return await client.questionnaire(self._items)

    async def show(self, value: object) -> None:
        """Begin, or leave where the answers were handed in."""
        from assistant import wire

        if isinstance(value, wire.Questionnaire):
            self.questions = value
            self.query_one("#count", Static).update(value.instructions)
            scale = self.query_one(OptionList)
            scale.clear_options()
            scale.add_options(Option(f"{number}  {words}") for number, words in enumerate(value.scale, 1))
            self._turn_to(0)
            scale.focus()
        else:
            self.notify("Thank you. The page shows what follows from it.", timeout=4)
            self.dismiss(True)

    def action_back(self) -> None:
        """Leave; nothing is kept."""
        self.dismiss(False)

    def action_before(self) -> None:
        """Return to the statement before."""
        self._turn_to(max(0, self.at - 1))

    def on_key(self, event: Key) -> None:
        """Answer by number."""
        if self.questions is not None and event.character in set("12345"[: len(self.questions.scale)]):
            event.stop()
            self._answer(int(event.character))

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        """Answer with the marked one."""
        event.stop()
        self._answer(event.option_index + 1)

    def _answer(self, value: int) -> None:
        asked = self.questions
        if asked is None or self.at >= len(asked.questions):
            return
        self.answers[asked.questions[self.at].id] = value
        if self.at + 1 < len(asked.questions):
            self._turn_to(self.at + 1)
            return
        self.query_one(ProgressBar).update(progress=len(asked.questions))
        answers = dict(self.answers)
        self.ask(lambda client: client.answer(self._items, answers))

    def _turn_to(self, number: int) -> None:
        if self.questions is None:
            return
        self.at = number
        asked = self.questions.questions[number]
        self.query_one(ProgressBar).update(progress=number)
        self.query_one("#place", Static).update(f"{number + 1} of {len(self.questions.questions)}")
        self.query_one("#statement", Static).update(asked.text)
        given = self.answers.get(asked.id)
        self.query_one(OptionList).highlighted = 2 if given is None else given - 1
