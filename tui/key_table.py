"""Everything that can be done with a key, and the usual keys; `tui.keys` makes the rest of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scope = Literal[
    "prompt", "chat", "message", "conversations", "memories", "persona", "questionnaire", "why", "settings", "anywhere"
]

SCOPES: dict[Scope, str] = {
    "prompt": "Writing",
    "chat": "Chat",
    "message": "A marked message",
    "conversations": "Conversations",
    "memories": "Memories",
    "persona": "Persona",
    "questionnaire": "Questionnaire",
    "why": "Why this reply",
    "settings": "Settings",
    "anywhere": "Everywhere",
}
"""The scopes in the order of the help, with their headings."""


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that can be done, and the keys that do it."""

    action: str
    """The Textual action, looked up on whatever owns the scope."""
    scope: Scope
    keys: tuple[str, ...]
    """The first is the one that is shown."""
    label: str
    """A word or two, for the footer and the palette."""
    help: str
    """A sentence."""
    footer: bool = False
    command: str = ""
    """Its name in the palette; empty where it is not offered there."""
    bound: bool = True
    """False where a widget handles the key itself and it is only explained here."""
    above: bool = False
    """Whether it works above every window that is open."""

    @property
    def name(self) -> str:
        """What it is called in `keys.toml`: `chat.new`."""
        action = self.action.removeprefix("screen.").replace("(-1)", "_back").replace("(1)", "_ahead")
        return f"{self.scope}.{action}"


def _page(scope: Scope) -> tuple[Key, ...]:
    return (
        Key("reload", scope, ("f5",), "Reload", "Ask the backend again."),
        Key("back", scope, ("escape",), "Back", "Return to where you came from.", footer=True),
    )


KEYS: tuple[Key, ...] = (
    Key(
        "send",
        "prompt",
        ("enter",),
        "Send",
        "Send what you wrote; while a reply comes, it waits its turn.",
        bound=False,
    ),
    Key("newline", "prompt", ("ctrl+j", "alt+enter"), "New line", "Begin a new line.", bound=False),
    Key(
        "swap_enter",
        "prompt",
        (),
        "Swap Enter and Ctrl+J",
        "Let Enter begin a new line and Ctrl+J send.",
        command="Swap Enter and Ctrl+J",
    ),
    Key(
        "recall_draft",
        "prompt",
        ("up",),
        "Last message",
        "In an empty prompt: bring back what waits to be sent, or what you sent last.",
        bound=False,
    ),
    Key(
        "screen.compose",
        "prompt",
        ("ctrl+l",),
        "Editor",
        "Write in your own editor ($VISUAL or $EDITOR).",
        command="Write in my editor",
    ),
    Key("screen.look_back", "prompt", ("pageup", "ctrl+up"), "Scroll up", "Look back in the conversation."),
    Key("screen.look_ahead", "prompt", ("pagedown", "ctrl+down"), "Scroll down", "Go towards the newest message."),
    Key("screen.newest", "prompt", ("ctrl+end", "alt+pagedown"), "Newest", "Go to the newest message."),
    Key("screen.mark_back", "prompt", ("alt+up", "shift+tab"), "Mark", "Mark the message before."),
    Key("stop", "chat", ("escape",), "Stop", "Stop the reply; what was said so far is kept.", footer=True),
    Key("new", "chat", ("ctrl+n",), "New", "Begin a new conversation.", footer=True, command="New conversation"),
    Key(
        "incognito",
        "chat",
        (),
        "Incognito",
        "Begin a conversation of which nothing is learned, and which is deleted when you leave it.",
        command="New incognito conversation",
    ),
    Key(
        "conversations",
        "chat",
        ("ctrl+b",),
        "Chats",
        "Your conversations beside the chat: search, open, rename, archive, delete, export.",
        footer=True,
        command="Conversations",
    ),
    Key(
        "last", "chat", ("ctrl+o",), "Last", "Go back to the conversation before this one.", command="Last conversation"
    ),
    Key("regenerate", "chat", ("f5",), "Again", "Ask for another reply in place of the last.", command="Another reply"),
    Key(
        "screen.edit",
        "prompt",
        ("f6",),
        "Edit",
        "Edit your last message and send it again.",
        command="Edit my last message",
    ),
    Key(
        "screen.why",
        "prompt",
        ("f7",),
        "Why",
        "Why the last reply was said: facts, traits, plan.",
        footer=True,
        command="Why this reply",
    ),
    Key("copy", "chat", ("alt+c",), "Copy", "Copy the last reply.", command="Copy the last reply"),
    Key("good", "chat", ("alt+g",), "Good", "Say that the last reply was good.", command="That reply was good"),
    Key(
        "bad",
        "chat",
        ("alt+n", "alt+b"),
        "Bad",
        "Say that the last reply was not good, and why if you like.",
        command="That reply was not good",
    ),
    Key("screen.mark_back", "message", ("up", "alt+up", "shift+tab"), "Before", "Mark the message before."),
    Key(
        "screen.mark_ahead",
        "message",
        ("down", "alt+down", "tab"),
        "Next",
        "Mark the next message; after the last, write again.",
    ),
    Key("screen.why", "message", ("w",), "Why", "Why this reply was said.", footer=True),
    Key("screen.regenerate", "message", ("r",), "Again", "Ask for another reply in its place.", footer=True),
    Key("screen.edit", "message", ("e",), "Edit", "Edit this message of yours and send it again.", footer=True),
    Key("screen.copy", "message", ("c",), "Copy", "Copy this message.", footer=True),
    Key("screen.good", "message", ("plus",), "Good", "Say that this reply was good.", footer=True),
    Key("screen.bad", "message", ("minus",), "Bad", "Say that this reply was not good.", footer=True),
    Key("screen.variant(-1)", "message", ("left",), "Earlier reply", "Show the reply, or wording, before this one."),
    Key("screen.variant(1)", "message", ("right",), "Later reply", "Show the reply, or wording, after this one."),
    Key("screen.write", "message", ("escape",), "Write", "Return to writing.", footer=True),
    Key("pick", "conversations", ("enter",), "Open", "Go on with the marked conversation.", bound=False),
    Key("rename", "conversations", ("f6",), "Rename", "Give the marked conversation another title.", footer=True),
    Key(
        "archive",
        "conversations",
        ("f7",),
        "Archive",
        "Put the marked conversation away, or take it back.",
        footer=True,
    ),
    Key("delete", "conversations", ("f8",), "Delete", "Delete the marked conversation, after asking.", footer=True),
    Key("archived", "conversations", ("f4",), "Archived", "Show what you put away, or the others again.", footer=True),
    Key(
        "export",
        "conversations",
        ("f5",),
        "Export",
        "Write the marked conversation to a file, as Markdown or JSON.",
        footer=True,
    ),
    Key("back", "conversations", ("escape", "ctrl+b"), "Back", "Return to the conversation.", footer=True),
    Key("correct", "memories", ("enter",), "Correct", "Say what is right in place of the marked memory.", bound=False),
    Key(
        "remember",
        "memories",
        ("f6",),
        "Add",
        "Tell Attune something to remember.",
        footer=True,
        command="Remember something",
    ),
    Key(
        "confirm",
        "memories",
        ("alt+y",),
        "Right",
        "Say that the marked memory is right.",
        footer=True,
        command="It is right",
    ),
    Key(
        "decline", "memories", ("alt+n",), "Wrong", "Say that it is wrong: it ends.", footer=True, command="It is wrong"
    ),
    Key(
        "forget",
        "memories",
        ("f8",),
        "Forget",
        "Forget the marked memory, after asking.",
        footer=True,
        command="Forget the marked memory",
    ),
    *_page("memories"),
    Key(
        "correct",
        "persona",
        ("enter",),
        "Correct",
        "Say how the marked trait is; your word outweighs all estimates.",
        bound=False,
    ),
    Key(
        "freeze",
        "persona",
        ("f",),
        "Freeze",
        "Let the marked trait stand still, or move again.",
        footer=True,
        command="Freeze the marked trait",
    ),
    Key(
        "questionnaire",
        "persona",
        ("a",),
        "Ask me",
        "Answer 20 or 50 short statements about yourself.",
        footer=True,
        command="Questionnaire",
    ),
    Key(
        "forget",
        "persona",
        ("f8",),
        "Delete",
        "Delete what is known of the marked trait, after asking.",
        footer=True,
        command="Delete the marked trait",
    ),
    Key(
        "forget_all",
        "persona",
        (),
        "Delete all",
        "Delete what is known of all traits, after asking.",
        command="Delete the whole persona",
    ),
    Key(
        "switch",
        "persona",
        ("o",),
        "On or off",
        "Turn the persona off, or on again.",
        command="Persona on or off",
    ),
    *_page("persona"),
    Key(
        "answer",
        "questionnaire",
        ("1", "2", "3", "4", "5"),
        "Answer",
        "Answer, from 1 (very inaccurate) to 5 (very accurate).",
        bound=False,
    ),
    Key("before", "questionnaire", ("backspace", "left"), "Before", "Return to the statement before.", footer=True),
    Key("back", "questionnaire", ("escape",), "Leave", "Leave; nothing is kept.", footer=True),
    Key("correct", "why", ("enter",), "Correct", "Correct the marked fact or trait.", bound=False),
    Key("forget", "why", ("f8",), "Forget", "Forget the marked fact or trait, after asking.", footer=True),
    *_page("why"),
    Key("change", "settings", ("enter",), "Change", "Change the marked setting.", bound=False),
    Key(
        "models",
        "settings",
        ("m",),
        "Model",
        "Choose which model answers: found here, by an API key, or a small one to download.",
        footer=True,
        command="Which model answers",
    ),
    Key(
        "export",
        "settings",
        ("e",),
        "Take all out",
        "Write an archive of all that is held about you.",
        footer=True,
        command="Take everything out",
    ),
    Key(
        "bring",
        "settings",
        ("i",),
        "Import",
        "Bring a history in: a ChatGPT export, an archive, lines of JSON.",
        footer=True,
        command="Import",
    ),
    *_page("settings"),
    Key(
        "resources",
        "anywhere",
        ("f9",),
        "Crisis",
        "Where to turn in a crisis; always within reach.",
        footer=True,
        command="Crisis lines",
        above=True,
    ),
    Key("help", "anywhere", ("f1", "ctrl+g"), "Help", "Show this help.", footer=True, command="Help"),
    Key(
        "persona",
        "anywhere",
        ("f2",),
        "Persona",
        "See what Attune believes about you, correct it, freeze it, or turn it off.",
        footer=True,
        command="Persona",
    ),
    Key(
        "memories",
        "anywhere",
        ("f3", "ctrl+r"),
        "Memories",
        "See what Attune remembers about you, and make it forget.",
        footer=True,
        command="Memories",
    ),
    Key("toggle_theme", "anywhere", ("f4",), "Theme", "Go on to the next theme.", command="Next theme"),
    Key(
        "settings",
        "anywhere",
        ("f10", "ctrl+t"),
        "Settings",
        "Memory, persona, training, country, and which model answers.",
        command="Settings",
    ),
    Key("command_palette", "anywhere", ("ctrl+p",), "Commands", "Find any command by name.", bound=False),
    Key(
        "quit",
        "anywhere",
        ("ctrl+q",),
        "Quit",
        "Leave; Attune first finishes what you told it.",
        command="Quit",
        above=True,
    ),
)
