"""The slash commands about what Attune knows: memories, persona, questionnaire."""

from __future__ import annotations

from tui import traits
from tui.desk import Command, Desk, Sheet
from tui.errors import TerminalError
from tui.text import one_line


async def _memories(desk: Desk, words: str) -> None:
    wanted = words.casefold().split()
    memories = [
        memory
        for memory in await (await desk.client()).memories()
        if all(word in memory.text.casefold() for word in wanted)
    ]
    for memory in memories:
        quotes = "  ".join(f"“{one_line(evidence.quote, 80)}”" for evidence in memory.evidence)
        desk.show([f"{memory.id}  {memory.text}  {quotes}".rstrip()])
    if not memories:
        desk.note("nothing yet" if not words else "nothing with these words")


async def _remember(desk: Desk, text: str) -> None:
    if not text:
        raise TerminalError("what should be remembered? /remember TEXT")
    memory = await (await desk.client()).remember(text)
    desk.note(f"remembered: {memory.id}  {memory.text}")


async def _correct(desk: Desk, argument: str) -> None:
    memory_id, _, text = argument.partition(" ")
    if not text.strip():
        raise TerminalError("which one, and what is right? /memories lists them; then /correct ID TEXT")
    memory = await (await desk.client()).correct(memory_id, text.strip())
    desk.note(f"corrected: {memory.id}  {memory.text}")


async def _confirm(desk: Desk, memory_id: str) -> None:
    memory = await (await desk.client()).confirm(_required(memory_id))
    desk.note(f"confirmed: {memory.text}")


async def _decline(desk: Desk, memory_id: str) -> None:
    memory = await (await desk.client()).decline(_required(memory_id))
    desk.note(f"declined: {memory.text}")


def _required(memory_id: str) -> str:
    if not memory_id:
        raise TerminalError("which one? /memories lists them with their ids")
    return memory_id


async def _forget(desk: Desk, memory_id: str) -> None:
    memory_id, _, only_say = memory_id.partition(" ")
    if not memory_id or only_say not in ("", "--dry-run"):
        raise TerminalError(
            "which one? /memories lists them; then /forget ID, or /forget ID --dry-run to see what goes"
        )
    gone = await (await desk.client()).forget(memory_id, dry_run=bool(only_say))
    if only_say:
        desk.note(f"would be forgotten: {', '.join(gone.forgotten)}; nothing is yet")
        return
    desk.note(f"forgotten, for good: {', '.join(gone.forgotten)}")


async def _persona(desk: Desk, _: str) -> None:
    view = await (await desk.client()).persona()
    for trait in view.traits:
        desk.show(traits.plain_lines(trait))
    desk.note(view.note if view.enabled else "it is turned off; /set persona on turns it on")


async def _trait(desk: Desk, argument: str) -> None:
    from assistant import wire

    name, _, how = (part.strip() for part in argument.partition(" "))
    if how == "delete":
        await (await desk.client()).forget_trait(name)
        desk.note(f"what was known of {name} is deleted")
        return
    try:
        change = wire.TraitChange.model_validate({"trait": name, **_how(how)})
    except ValueError:
        raise TerminalError(
            "which trait, and how is it? /trait openness low (or medium, high, 20 to 80, freeze, unfreeze, delete)"
        ) from None
    view = await (await desk.client()).change_trait(change)
    desk.show(line for trait in view.traits if trait.trait == name for line in traits.plain_lines(trait))


def _how(word: str) -> dict[str, object]:
    """What a person says of a trait, as a part of a change."""
    if word in ("freeze", "unfreeze"):
        return {"frozen": word == "freeze"}
    return {"t_score": float(word)} if word.isdigit() else {"level": word}


async def _questionnaire(desk: Desk, length: str) -> None:
    items = 50 if length == "50" else 20
    asked = await (await desk.client()).questionnaire(items)
    desk.sheet = Sheet(asked, items)
    desk.note(f"{asked.instructions} {len(asked.questions)} statements; /quit-questionnaire leaves, nothing is kept.")
    desk.note(", ".join(f"{number} {words}" for number, words in enumerate(asked.scale, 1)))
    _ask(desk, desk.sheet)


def _ask(desk: Desk, sheet: Sheet) -> None:
    number = len(sheet.answers)
    desk.note(f"{number + 1} of {len(sheet.questionnaire.questions)}: {sheet.questionnaire.questions[number].text}")


async def answer(desk: Desk, text: str) -> None:
    """Take one answer to the questionnaire that is on its way; hand all in after the last."""
    sheet = desk.sheet
    if sheet is None or not text:
        return
    questions = sheet.questionnaire.questions
    if text not in [str(number) for number in range(1, len(sheet.questionnaire.scale) + 1)]:
        raise TerminalError(f"answer with a number from 1 to {len(sheet.questionnaire.scale)}, or /quit-questionnaire")
    sheet.answers[questions[len(sheet.answers)].id] = int(text)
    if len(sheet.answers) < len(questions):
        _ask(desk, sheet)
        return
    desk.sheet = None
    view = await (await desk.client()).answer(sheet.items, sheet.answers)
    for trait in view.traits:
        desk.show(traits.plain_lines(trait)[:1])


async def _quit_questionnaire(desk: Desk, _: str) -> None:
    desk.sheet = None
    desk.note("left; nothing is kept")


COMMANDS = (
    Command("memories", "[WORDS]", "what Attune remembers about you", _memories),
    Command("remember", "TEXT", "tell it something to remember", _remember),
    Command("correct", "ID TEXT", "say what is right in place of a memory", _correct),
    Command("confirm", "ID", "say that a memory is right", _confirm),
    Command(
        "decline", "ID", "say that it is not right: it ends and is not learned again from the same words", _decline
    ),
    Command("forget", "ID [--dry-run]", "make it forget one of them, or only say what would go", _forget),
    Command("persona", "", "what it believes about how you are", _persona),
    Command("trait", "NAME HOW", "low, medium, high, 20 to 80, freeze, unfreeze or delete", _trait),
    Command("questionnaire", "[20|50]", "answer short statements about yourself", _questionnaire),
    Command("quit-questionnaire", "", "leave it; nothing is kept", _quit_questionnaire),
)
