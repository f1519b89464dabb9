"""The slash commands of the plain mode: everything that the screens can do, a line each.

A command prints what was asked for and raises `TerminalError` where it cannot be done. Deleting and forgetting take the
id of what goes, so that nothing goes by accident.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from tui import carrying, choices, reasons, traits, transcript
from tui.card import plain_lines
from tui.door import is_loopback
from tui.errors import TerminalError
from tui.text import one_line
from tui.turn import Turn

if TYPE_CHECKING:
    from assistant import wire
    from tui.client import Client


@dataclass(slots=True)
class Sheet:
    """A questionnaire on its way."""

    questionnaire: wire.Questionnaire
    items: int
    answers: dict[str, int] = field(default_factory=dict)


class Desk(Protocol):
    """What a command finds and uses of the plain mode."""

    conversation: wire.Conversation | None
    before: wire.Conversation | None
    incognito: bool
    sheet: Sheet | None
    listed: list[wire.Conversation]

    async def client(self) -> Client: ...  # noqa: D102
    def show(self, lines: Iterable[str]) -> None: ...  # noqa: D102
    def note(self, text: str) -> None: ...  # noqa: D102
    async def leave(self) -> None: ...  # noqa: D102
    async def say(self, turn: Turn) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Command:
    """One slash command."""

    name: str
    takes: str
    help: str
    run: Callable[[Desk, str], Awaitable[None]]


# -------------------------------------------------------------------- conversations


async def _new(desk: Desk, _: str) -> None:
    await desk.leave()
    desk.note("a new conversation")


async def _incognito(desk: Desk, _: str) -> None:
    await desk.leave()
    desk.incognito = True
    desk.note("a new conversation; nothing is learned from it, and it is deleted when you leave it")


async def _list(desk: Desk, words: str) -> None:
    archived = words == "archived"
    desk.listed = await (await desk.client()).conversations(query="" if archived else words, archived=archived)
    desk.show(
        f"{number}  {one.updated_at.astimezone():%Y-%m-%d %H:%M}  {one_line(one.title, 80)}"
        for number, one in enumerate(desk.listed, 1)
    )


async def _find(desk: Desk, which: str) -> wire.Conversation:
    """A conversation by its number in the last list, by its id, or the open one."""
    if which.isdigit() and 0 < int(which) <= len(desk.listed):
        return desk.listed[int(which) - 1]
    if which and not which.isdigit():
        return await (await desk.client()).conversation(which)
    if not which and desk.conversation is not None:
        return desk.conversation
    raise TerminalError("which conversation? /list numbers them")


async def _open(desk: Desk, which: str) -> None:
    if not which:
        raise TerminalError("which conversation? /list numbers them; then /open NUMBER")
    await _go_on(desk, await _find(desk, which))


async def _last(desk: Desk, _: str) -> None:
    here = desk.conversation.id if desk.conversation else ""
    listed = [desk.before] if desk.before else await (await desk.client()).conversations(most=2)
    found = next((one for one in listed if one.id != here), None)
    if found is None:
        raise TerminalError("there is no earlier conversation")
    await _go_on(desk, found)


async def _go_on(desk: Desk, one: wire.Conversation) -> None:
    messages = await (await desk.client()).messages(one.id)
    await desk.leave()
    desk.conversation = one
    desk.show(f"{transcript.SPEAKERS[message.role]}: {message.text}" for message in messages[-10:])
    desk.note(f"{len(messages)} messages; go on with it")


async def _rename(desk: Desk, title: str) -> None:
    if not title:
        raise TerminalError("how should it be called? /rename TITLE")
    one = await _find(desk, "")
    desk.conversation = await (await desk.client()).change_conversation(one.id, title=title)
    desk.note(f"it is called {title}")


async def _archive(desk: Desk, which: str) -> None:
    one = await _find(desk, which)
    changed = await (await desk.client()).change_conversation(one.id, archived=not one.archived)
    desk.note("put away; /list archived shows it" if changed.archived else "taken back")


async def _delete(desk: Desk, which: str) -> None:
    if not which:
        raise TerminalError("which conversation? /list numbers them; then /delete NUMBER")
    one = await _find(desk, which)
    await (await desk.client()).delete_conversation(one.id)
    if desk.conversation is not None and desk.conversation.id == one.id:
        desk.conversation = None
    desk.note(f"deleted, for good: {one_line(one.title, 60)}")


async def _export(desk: Desk, name: str) -> None:
    one = await _find(desk, "")
    messages = await (await desk.client()).messages(one.id)
    path = transcript.write(name or str(transcript.suggested(one, "md")), one, messages)
    desk.note(f"{len(messages)} messages are in {path}")


async def _export_all(desk: Desk, name: str) -> None:
    path = await carrying.take_out(await desk.client(), name or "attune-export.zip", desk.note)
    desk.note(f"everything held about you is in {path}")


async def _import(desk: Desk, argument: str) -> None:
    format, _, name = argument.partition(" ")
    if format not in dict(carrying.FORMATS) or not name.strip():
        raise TerminalError("which file, and of what kind? /import chatgpt FILE (or attune, jsonl)")
    for line in await carrying.bring_in(await desk.client(), name.strip(), format, desk.note):
        desk.note(line)


# -------------------------------------------------------------------- messages


async def _newest(desk: Desk, role: Literal["user", "assistant"]) -> wire.Message:
    if desk.conversation is not None:
        for message in reversed(await (await desk.client()).messages(desk.conversation.id)):
            if message.role == role:
                return message
    raise TerminalError("there is nothing yet in this conversation; /last goes back to the one before")


async def _regenerate(desk: Desk, _: str) -> None:
    reply = await _newest(desk, "assistant")
    await desk.say(Turn(0, "", desk.conversation, kind="regenerate", message_id=reply.id))


async def _edit(desk: Desk, text: str) -> None:
    if not text:
        raise TerminalError("what did you want to say instead? /edit TEXT")
    said = await _newest(desk, "user")
    await desk.say(Turn(0, text, desk.conversation, kind="edit", message_id=said.id))


async def _why(desk: Desk, _: str) -> None:
    reply = await _newest(desk, "assistant")
    desk.show(reasons.plain_lines(await (await desk.client()).why(reply.id)))


async def _good(desk: Desk, reason: str) -> None:
    await (await desk.client()).rate((await _newest(desk, "assistant")).id, "up", reason)
    desk.note("noted: that reply was good")


async def _bad(desk: Desk, reason: str) -> None:
    await (await desk.client()).rate((await _newest(desk, "assistant")).id, "down", reason)
    desk.note("noted: that reply was not good")


# -------------------------------------------------------------------- what it knows


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
    if not memory_id:
        raise TerminalError("which one? /memories lists them; then /forget ID")
    gone = await (await desk.client()).forget(memory_id)
    desk.note(f"forgotten, for good: {', '.join(gone.forgotten)}")


async def _persona(desk: Desk, _: str) -> None:
    view = await (await desk.client()).persona()
    for trait in view.traits:
        desk.show(traits.plain_lines(trait))
    desk.note(view.note if view.enabled else "it is turned off; /set persona on turns it on")


async def _trait(desk: Desk, argument: str) -> None:
    from assistant import wire

    name, _, level = argument.partition(" ")
    words: dict[str, object] = {"freeze": {"frozen": True}, "unfreeze": {"frozen": False}}
    level = level.strip()
    if level == "delete":
        await (await desk.client()).forget_trait(name)
        desk.note(f"what was known of {name} is deleted")
        return
    said = words.get(level) or ({"t_score": float(level)} if level.isdigit() else {"level": level})
    try:
        change = wire.TraitChange.model_validate({"trait": name, **(said if isinstance(said, dict) else {})})
    except ValueError:
        raise TerminalError(
            "which trait, and how is it? /trait openness low (or medium, high, 20 to 80, freeze, unfreeze, delete)"
        ) from None
    view = await (await desk.client()).change_trait(change)
    desk.show(line for trait in view.traits if trait.trait == name for line in traits.plain_lines(trait))


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


# -------------------------------------------------------------------- settings and help


async def _settings(desk: Desk, _: str) -> None:
    client = await desk.client()
    view = await client.settings()
    desk.show(f"{one.name}: {choices.value_of(view, one)}  ({one.about})" for one in choices.SETTINGS)
    for line in choices.answers(await client.ready(), url_is_here=is_loopback(client.url)):
        desk.note(line)


async def _set(desk: Desk, argument: str) -> None:
    name, _, typed = argument.partition(" ")
    one = choices.setting(name)
    view = await (await desk.client()).change_settings(**{name: choices.read(one, typed)})
    desk.note(f"{name}: {choices.value_of(view, one)}")


async def _resources(desk: Desk, _: str) -> None:
    desk.show(plain_lines(await (await desk.client()).resources()))


async def _help(desk: Desk, _: str) -> None:
    width = max(len(f"/{one.name} {one.takes}") for one in COMMANDS) + 2
    desk.show(f"{f'/{one.name} {one.takes}':<{width}}{one.help}" for one in COMMANDS)
    desk.show([f"{'/quit':<{width}}leave; Attune first finishes what you told it"])
    desk.show(["Anything else is a message. Ctrl+C stops a reply."])


COMMANDS = (
    Command("new", "", "begin a new conversation", _new),
    Command("incognito", "", "begin one that is not learned from and is deleted when you leave it", _incognito),
    Command("list", "[WORDS]", "list your conversations, those with these words, or /list archived", _list),
    Command("open", "NUMBER", "go on with one of the last list", _open),
    Command("last", "", "go back to the conversation before this one", _last),
    Command("rename", "TITLE", "give this conversation another title", _rename),
    Command("archive", "[NUMBER]", "put this one, or one of the list, away, or take it back", _archive),
    Command("delete", "NUMBER", "delete one of the list, for good", _delete),
    Command("export", "[FILE]", "write this conversation to a file, .md or .json", _export),
    Command("export-all", "FILE", "write an archive of everything held about you, a zip", _export_all),
    Command("import", "FORMAT FILE", "bring a history in: chatgpt, attune or jsonl", _import),
    Command("regenerate", "", "another reply in place of the last", _regenerate),
    Command("edit", "TEXT", "say something else in place of your last message", _edit),
    Command("why", "", "why the last reply was said", _why),
    Command("good", "[REASON]", "the last reply was good", _good),
    Command("bad", "[REASON]", "the last reply was not good", _bad),
    Command("memories", "[WORDS]", "what Attune remembers about you", _memories),
    Command("remember", "TEXT", "tell it something to remember", _remember),
    Command("correct", "ID TEXT", "say what is right in place of a memory", _correct),
    Command("confirm", "ID", "say that a memory is right", _confirm),
    Command(
        "decline", "ID", "say that it is not right: it ends and is not learned again from the same words", _decline
    ),
    Command("forget", "ID", "make it forget one of them", _forget),
    Command("persona", "", "what it believes about how you are", _persona),
    Command("trait", "NAME HOW", "low, medium, high, 20 to 80, freeze, unfreeze or delete", _trait),
    Command("questionnaire", "[20|50]", "answer short statements about yourself", _questionnaire),
    Command("quit-questionnaire", "", "leave it; nothing is kept", _quit_questionnaire),
    Command("settings", "", "what you allow and prefer, and which model answers", _settings),
    Command("set", "NAME VALUE", "change a setting, as in /set country AT; - takes it back", _set),
    Command("resources", "", "where to turn in a crisis", _resources),
    Command("help", "", "this", _help),
)

_BY_NAME = {f"/{command.name}": command for command in COMMANDS}


def named(word: str) -> Command | None:
    """The command of this name, slash included; None where it is none, as with a path."""
    return _BY_NAME.get(word)
