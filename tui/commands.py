"""The slash commands of the plain mode: everything that the screens can do, a line each.

A command prints what was asked for and raises `TerminalError` where it cannot be done. Deleting and forgetting take the
id of what goes, so that nothing goes by accident.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from tui import carrying, choices, knowing, offers, reasons, transcript
from tui.card import plain_lines
from tui.desk import Command, Desk
from tui.door import is_loopback
from tui.errors import TerminalError
from tui.text import one_line
from tui.turn import Turn

if TYPE_CHECKING:
    from assistant import wire


SHOWN_MESSAGES = 10
"""So many messages are printed of a conversation that is gone on with."""


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
    listed = [desk.before] if desk.before else []
    if all(one.id == here for one in listed):
        listed = await (await desk.client()).conversations(most=2)
    found = next((one for one in listed if one.id != here), None)
    if found is None:
        raise TerminalError("there is no earlier conversation")
    await _go_on(desk, found)


async def _go_on(desk: Desk, one: wire.Conversation) -> None:
    page = await (await desk.client()).newest_messages(one.id, limit=SHOWN_MESSAGES)
    await desk.leave()
    desk.conversation = one
    if page.previous_cursor:
        desk.note("the end of it; /export writes all of it to a file")
    desk.show(f"{transcript.SPEAKERS[message.role]}: {message.text}" for message in page.data)
    desk.note("go on with it")


async def _rename(desk: Desk, title: str) -> None:
    if not title:
        raise TerminalError("how should it be called? /rename TITLE")
    one = await _find(desk, "")
    desk.conversation = await (await desk.client()).change_conversation(one.id, title=title)
    desk.note(f"it is called {title}")


async def _archive(desk: Desk, which: str) -> None:
    one = await _find(desk, which)
    changed = await (await desk.client()).change_conversation(one.id, archived=not one.archived)
    desk.listed = [changed if other.id == one.id else other for other in desk.listed]
    if desk.conversation is not None and desk.conversation.id == one.id:
        desk.conversation = changed
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
        page = await (await desk.client()).newest_messages(desk.conversation.id)
        for message in reversed(page.data):
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


async def _models(desk: Desk, _: str) -> None:
    desk.show(offers.plain_lines(await (await desk.client()).model_offers()))


async def _use(desk: Desk, argument: str) -> None:
    name, _, agreed = (part.strip() for part in argument.partition(" "))
    listed = await (await desk.client()).model_offers()
    offer = next((one for one in listed.data if one.name == name), None)
    if offer is None:
        raise TerminalError("which model? /models names them; then /use NAME")
    if (offer.leaves_machine or offer.download_bytes is not None) and agreed != "yes":
        raise TerminalError(f"{offers.about(offer)} Say /use {name} yes if that is meant")
    desk.note(await offers.choose(desk.link, offer, desk.note))


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
    *knowing.COMMANDS,
    Command("settings", "", "what you allow and prefer, and which model answers", _settings),
    Command("set", "NAME VALUE", "change a setting, as in /set country AT; - takes it back", _set),
    Command("models", "", "which models could answer: found here, by an API key, or to be downloaded", _models),
    Command("use", "NAME [yes]", "let that model answer; yes agrees to a download, or to text leaving here", _use),
    Command("resources", "", "where to turn in a crisis", _resources),
    Command("help", "", "this", _help),
)

_LIKE_ONE = re.compile("/[a-z-]+")
_BY_NAME = {f"/{command.name}": command for command in COMMANDS}


def named(word: str) -> Command | None:
    """The command of this name, slash included; None where it is none, as with a path.

    Raises:
        TerminalError: it looks like a command, and there is none of that name.
    """
    found = _BY_NAME.get(word)
    if found is None and _LIKE_ONE.fullmatch(word):
        near = get_close_matches(word, _BY_NAME, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise TerminalError(
            f"there is no command {word}; {meant}/help lists them, and a space before it says it as it is"
        )
    return found
