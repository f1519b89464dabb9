"""Taking everything out of the backend and bringing a history in, with how far it is. Knows nothing of screens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tui.errors import TerminalError

if TYPE_CHECKING:
    from tui.client import Client

FORMATS = (
    ("chatgpt", "A ChatGPT export (.zip or conversations.json)"),
    ("attune", "An archive of Attune (.zip)"),
    ("jsonl", "Lines of JSON"),
)
POLL_S = 0.5

Told = Callable[[str], None]


async def take_out(client: Client, name: str, told: Told) -> Path:
    """Write an archive of everything held about the person; a file that is there is never overwritten.

    Raises:
        TerminalError: it could not be made or written.
    """
    path = await asyncio.to_thread(_new, name)
    made = await client.begin_export()
    status = ""
    while made.status in ("pending", "running"):
        if made.status != status:
            status = made.status
            told("the archive is being made" if status == "running" else "the archive waits its turn")
        await asyncio.sleep(POLL_S)
        found = await client.download_export(made.id, path)
        if found is None:
            return path
        made = found
    if made.status == "done" and await client.download_export(made.id, path) is None:
        return path
    raise TerminalError("the archive could not be made; try again, or look at the backend's log")


async def bring_in(client: Client, name: str, format: str, told: Told) -> list[str]:
    """Bring a file in as the person's; returns what came of it, a sentence each.

    Raises:
        TerminalError: the file cannot be read, or the backend refused it; the message says why.
    """
    path, done = await asyncio.to_thread(_there, name), 0
    async for line in client.bring(path, format):
        kind = line.get("type")
        if kind == "error":
            stays = "; what came before stays" if done else ""
            raise TerminalError(f"{line.get('message') or 'the import failed'}{stays}")
        if kind == "brought":
            return _brought(line)
        done, total = line.get("done", 0), line.get("total")
        told(f"{line.get('phase', 'reading')}: {done}" + (f" of {total}" if total else ""))
    raise TerminalError("the backend ended the import without a word; what it took in before stays")


def _brought(line: dict[str, object]) -> list[str]:
    came = f"{line.get('conversations', 0)} conversations with {line.get('messages', 0)} messages were brought in"
    said = [came if line.get("conversations") else "nothing new was brought in"]
    if line.get("already_there"):
        said.append(f"already here: {line['already_there']}")
    if line.get("to_learn_from"):
        said.append("what they tell about you is learned in the background")
    skipped = line.get("skipped")
    return [*said, *(f"left out: {one}" for one in (skipped if isinstance(skipped, list) else []))]


def _new(name: str) -> Path:
    path = Path(name).expanduser().resolve()
    if path.exists():
        raise TerminalError(f"{path} is there already; give another name")
    if not path.parent.is_dir():
        raise TerminalError(f"there is no folder {path.parent}; make it, or give another place")
    return path


def _there(name: str) -> Path:
    path = Path(name).expanduser().resolve()
    if path.is_dir():
        raise TerminalError(f"{path} is a folder; name the file in it")
    if not path.is_file():
        raise TerminalError(f"there is no file {path}")
    return path
