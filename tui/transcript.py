"""One conversation as a file: Markdown to read, or JSON for programs. A file that is there is never overwritten."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tui.errors import TerminalError

if TYPE_CHECKING:
    from assistant import wire

SPEAKERS = {"user": "You", "assistant": "Attune"}


def suggested(conversation: wire.Conversation, kind: str) -> Path:
    """A name for the file, in the folder where the client was started."""
    words = re.sub(r"[^\w-]+", "-", conversation.title.lower()).strip("-")[:40].strip("-")
    return Path(f"attune-{words or conversation.id}.{kind}")


def markdown(conversation: wire.Conversation, messages: list[wire.Message]) -> str:
    """The conversation to read; what was written stays as it was written."""
    lines = [f"# {' '.join(conversation.title.split()) or 'untitled'}", ""]
    for message in messages:
        ended = "" if message.status == "complete" else f" ({message.status})"
        when = f"{message.created_at.astimezone():%Y-%m-%d %H:%M}"
        lines += [f"**{SPEAKERS[message.role]}** · {when}{ended}", "", message.text, ""]
    return "\n".join(lines)


def as_json(conversation: wire.Conversation, messages: list[wire.Message]) -> str:
    """The conversation for programs, as the backend gives it."""
    whole = {
        "conversation": conversation.model_dump(mode="json"),
        "messages": [message.model_dump(mode="json") for message in messages],
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def write(name: str, conversation: wire.Conversation, messages: list[wire.Message]) -> Path:
    """Write the file, as JSON where its name ends so; returns its full path.

    Raises:
        TerminalError: it is there already, or cannot be written.
    """
    path = Path(name).expanduser()
    text = (as_json if path.suffix == ".json" else markdown)(conversation, messages)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise TerminalError(f"{path} is there already; give another name") from error
    except OSError as error:
        raise TerminalError(f"{path} cannot be written ({error.strerror}); give another place") from error
    return path.resolve()
