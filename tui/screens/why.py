"""Why a reply was said: what it was made from, each correctable where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from tui import reasons, traits
from tui.key_table import Scope
from tui.keys import bindings
from tui.link import Link
from tui.screens.memories import correct_memory, forget_memory
from tui.screens.page import Page
from tui.screens.persona import correct_trait, forget_trait
from tui.text import one_line

if TYPE_CHECKING:
    from assistant import wire
    from tui.client import Client

HINT = "Enter corrects the marked one."


class WhyScreen(Page[None]):
    """A page about one reply."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ("why",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("why")
    COMPLAINT = "Why this reply was said is not to be learned now"
    view: wire.Why | None = None

    def __init__(self, link: Link, message_id: str, text: str) -> None:
        super().__init__(link)
        self._message_id, self._text = message_id, text

    def compose(self) -> ComposeResult:
        """Heading, the reply, what it was made from, footer."""
        yield Static("Why Attune said this", id="heading", markup=False)
        yield Static(f"“{one_line(self._text, 160)}” · {HINT}", id="count", markup=False)
        yield OptionList(markup=False)
        yield Footer(compact=True, show_command_palette=False)

    async def fetch(self, client: Client) -> object:
        """Ask why."""
        return await client.why(self._message_id)

    async def show(self, value: object) -> None:
        """Show it, the mark on the first thing that can be corrected, or where it was."""
        from assistant import wire

        assert isinstance(value, wire.Why)
        self.view = value
        options = self.query_one(OptionList)
        before = options.highlighted
        options.clear_options()
        options.add_options(self._options(value))
        ids = [option.id for option in options.options]
        first = next((at for at, id in enumerate(ids) if id is not None), None)
        options.highlighted = before if before is not None and before < len(ids) and ids[before] else first
        options.focus()

    def _options(self, why: wire.Why) -> list[Option | None]:
        shown: list[Option | None] = [_line(reasons.headline(why), "$muted")]
        if why.facts or reasons.recall(why):
            shown += [None, _line("What it remembered", "bold $primary")]
            shown += [Option(_fact(fact), id=f"fact:{fact.id}") for fact in why.facts]
            shown += [_line(reasons.recall(why), "$muted")] if reasons.recall(why) else []
        if said := reasons.persona(why):
            shown += [None, _line("How it sees you", "bold $primary"), _line(said, "$muted")]
        for trait, t_score in (why.persona.traits if why.persona else {}).items():
            drawn = traits.bar(t_score, (t_score, t_score), 31)
            line = Content.assemble(f"{trait.capitalize():<18}", (drawn, "$primary"), f"  {t_score:.0f}")
            shown.append(Option(line, id=f"trait:{trait}"))
        if lines := reasons.plan(why):
            shown += [None, _line("What it meant to do", "bold $primary"), *(_line(line, "") for line in lines)]
        if detail := reasons.technical(why):
            shown += [None, _line(detail, "$faint")]
        return shown

    @property
    def marked(self) -> tuple[str, str]:
        """`fact` or `trait` and which; two empty strings where the mark is on neither."""
        options = self.query_one(OptionList)
        at = options.highlighted
        kind, _, name = ("" if at is None else options.get_option_at_index(at).id or "").partition(":")
        return kind, name

    @on(OptionList.OptionSelected)
    def correct(self, event: OptionList.OptionSelected) -> None:
        """Correct what is marked."""
        event.stop()
        self._correct(*self.marked)

    @work(group="correct", exclusive=True)
    async def _correct(self, kind: str, name: str) -> None:
        if kind == "trait":
            await correct_trait(self, cast("wire.TraitName", name))
        elif kind == "fact" and (fact := self._fact(name)) is not None:
            await correct_memory(self, fact.id, fact.text)

    def action_forget(self) -> None:
        """Forget what is marked, after asking."""
        self._forget(*self.marked)

    @work(group="forget", exclusive=True)
    async def _forget(self, kind: str, name: str) -> None:
        if kind == "trait":
            await forget_trait(self, cast("wire.TraitName", name))
        elif kind == "fact" and (fact := self._fact(name)) is not None:
            await forget_memory(self, fact.id, fact.text)

    def _fact(self, id: str) -> wire.FactUsed | None:
        return next((fact for fact in self.view.facts if fact.id == id), None) if self.view else None


def _line(text: str, style: str) -> Option:
    return Option(Content.styled(text, style) if style else Content(text), disabled=True)


def _fact(fact: wire.FactUsed) -> Content:
    anyway = "  (known anyway)" if fact.profile else ""
    ended = "" if fact.status == "active" else "  (ended since)"
    lines = [Content.assemble((fact.text, "bold"), (anyway, "$muted"), (ended, "$warning"))]
    lines += [Content.styled(f"“{one_line(evidence.quote, 200)}”", "italic $muted") for evidence in fact.evidence]
    return Content("\n").join(lines)
