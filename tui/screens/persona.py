"""What Attune believes about the person: five bars, and the person's word in each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from tui import traits
from tui.key_table import Scope
from tui.keys import bindings
from tui.screens.ask import ChooseScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.page import Page
from tui.text import one_line

if TYPE_CHECKING:
    from assistant import wire
    from tui.client import Client

MOST_BAR = 40


class PersonaScreen(Page[None]):
    """A page with a block for each trait."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ("persona",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("persona")
    COMPLAINT = "The persona stays as it was"
    view: wire.PersonaView | None = None

    def compose(self) -> ComposeResult:
        """Heading, what it is for, the traits, footer."""
        yield Static("What Attune believes about how you are", id="heading", markup=False)
        yield Static("One moment…", id="count", markup=False)
        yield OptionList(markup=False)
        yield Footer(compact=True, show_command_palette=False)

    async def fetch(self, client: Client) -> object:
        """Ask for the persona."""
        return await client.persona()

    async def show(self, value: object) -> None:
        """Show the traits, the mark where it was."""
        from assistant import wire

        assert isinstance(value, wire.PersonaView)
        self.view = value
        off = "It is turned off: nothing is added, and no reply uses it. o turns it on."
        self.query_one("#count", Static).update(f"{value.note if value.enabled else off} Enter corrects a trait.")
        options = self.query_one(OptionList)
        marked = options.highlighted or 0
        options.clear_options()
        for number, trait in enumerate(value.traits):
            if number:
                options.add_option(None)
            options.add_option(Option(self._block(trait), id=trait.trait))
        options.highlighted = marked
        options.focus()

    def on_resize(self) -> None:
        """Draw the bars anew for the new width."""
        if self.view is not None:
            self.call_after_refresh(self.show, self.view)

    def _block(self, trait: wire.TraitView) -> Content:
        width = max(12, min(MOST_BAR, self.size.width - 52))
        known = "$primary" if trait.level else "$muted"
        drawn = traits.bar(trait.mean, trait.interval, width)
        went = {"rising": "↗ rising", "falling": "↘ falling", "steady": "→ steady", "": ""}[traits.trend(trait)]
        state = " · ".join(part for part in (went, "❄ frozen" if trait.frozen else "") if part)
        lines = [
            Content.assemble(
                (f"{trait.trait.capitalize():<18}", "bold"),
                (drawn, known),
                (f"  {trait.mean:4.0f}  ", "bold"),
                (state, "$accent"),
            ),
            Content.styled(f"{'':18}{traits.standing(trait)} · {traits.basis(trait)}", known),
            Content.styled(f"{'':18}{traits.numbers(trait)}", "$faint"),
        ]
        lines += [Content.styled(f"{'':18}{one_line(quote, 200)}", "italic $muted") for quote in traits.quotes(trait)]
        return Content("\n").join(lines)

    @property
    def marked(self) -> wire.TraitView | None:
        """The marked trait."""
        at = self.query_one(OptionList).highlighted
        return None if self.view is None or at is None else self.view.traits[at]

    # ---------------------------------------------------------------- the person's word

    @on(OptionList.OptionSelected)
    def correct(self, event: OptionList.OptionSelected) -> None:
        """Say how the marked trait is."""
        event.stop()
        if self.marked is not None:
            self._correct(self.marked.trait)

    @work(group="correct", exclusive=True)
    async def _correct(self, trait: wire.TraitName) -> None:
        await correct_trait(self, trait)

    def action_freeze(self) -> None:
        """Let the marked trait stand still, or move again."""
        from assistant import wire

        if (trait := self.marked) is not None:
            change = wire.TraitChange(trait=trait.trait, frozen=not trait.frozen)
            self.ask(lambda client: client.change_trait(change))

    def action_forget(self) -> None:
        """Delete what is known of the marked trait, after asking."""
        if (trait := self.marked) is not None:
            self._forget(trait.trait)

    def action_forget_all(self) -> None:
        """Delete what is known of all traits, after asking."""
        self._forget(None)

    @work(group="forget", exclusive=True)
    async def _forget(self, trait: wire.TraitName | None) -> None:
        await forget_trait(self, trait)

    def action_switch(self) -> None:
        """Turn the persona off, or on again."""
        if self.view is not None:
            wanted = not self.view.enabled

            async def switch(client: Client) -> object:
                await client.change_settings(persona=wanted)
                return await client.persona()

            self.ask(switch)

    @work(group="questionnaire", exclusive=True)
    async def action_questionnaire(self) -> None:
        """Answer a questionnaire, in place of an older one."""
        from tui.screens.questionnaire import QuestionnaireScreen

        lengths = (
            ("20", "20 statements, about three minutes"),
            ("50", "50 statements, about seven minutes; more reliable"),
        )
        about = "Answering is voluntary. The answers themselves are not kept, only the five results."
        items = await self.app.push_screen_wait(ChooseScreen("Which questionnaire?", lengths, about=about))
        if items is not None and await self.app.push_screen_wait(QuestionnaireScreen(self.link, int(items))):
            self.action_reload()


async def correct_trait(page: Page[None], trait: wire.TraitName) -> None:
    """Ask how a trait is, tell the backend, and let the page show what it says now."""
    from assistant import wire

    about = "Your word outweighs everything that was estimated before. The next reply is planned with it."
    level = await page.app.push_screen_wait(
        ChooseScreen(f"{trait.capitalize()}: how is it?", traits.LEVELS, about=about)
    )
    if level is not None:
        change = wire.TraitChange.model_validate({"trait": trait, "level": level})

        async def tell(client: Client) -> object:
            await client.change_trait(change)
            return await page.fetch(client)

        page.ask(tell)


async def forget_trait(page: Page[None], trait: wire.TraitName | None) -> None:
    """Ask, delete what is known of a trait or of all, and let the page show what is left."""
    what = trait or "all five traits"
    question = (
        f"Delete what is known of {what}?\n\nEstimates, corrections and questionnaires go. "
        "The same messages never teach it again; what you say from now on does."
    )
    if await page.app.push_screen_wait(ConfirmScreen(question, "Delete")):

        async def forget(client: Client) -> object:
            await client.forget_trait(trait)
            return await page.fetch(client)

        page.ask(forget)
