"""The small model that is offered to who has none, and its download with how far it is.

Nothing is downloaded unless somebody asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import AttuneError, ModelUnreachableError
from assistant.models.weights import bytes_here, cached, download, download_bytes

POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Starter:
    """A model on the hub that runs on an ordinary machine, without a server."""

    model: str
    """Its hub id."""
    about_bytes: int
    """How large its download is, as far as this program knows without asking the hub."""


STARTER = Starter("Qwen/Qwen3-0.6B", 1_520_000_000)


@dataclass(frozen=True, slots=True)
class Fetched:
    """How far a download is, in bytes; `total` is 0 where the hub does not say."""

    done: int
    total: int


async def fetch(model: str, *, endpoint: str | None = None, cache: Path | None = None) -> AsyncGenerator[Fetched, None]:
    """Download a hub model and yield how far it is; where nobody listens any more it goes on to its end.

    Raises:
        ModelRefusedError: the hub has no such model, or not with weights.
        ModelUnreachableError: the hub cannot be reached.
    """
    if await asyncio.to_thread(cached, model, cache) is not None:
        return
    fetching = asyncio.create_task(asyncio.to_thread(download, model, endpoint=endpoint, cache=cache))
    fetching.add_done_callback(_seen)
    try:
        total = await asyncio.to_thread(download_bytes, model, endpoint=endpoint)
    except Exception:  # what is wrong with the hub, the download itself says better
        total = 0
    while not fetching.done():
        done = await asyncio.to_thread(bytes_here, model, cache=cache)
        yield Fetched(min(done, total) if total else done, total)
        await asyncio.wait({fetching}, timeout=POLL_S)
    try:
        await fetching
    except AttuneError:
        raise
    except Exception as error:
        raise ModelUnreachableError(
            f"the download of {model} broke off ({type(error).__name__}); choose it again: what came stays here"
        ) from error
    yield Fetched(total, total)


def _seen(fetching: asyncio.Task[Path]) -> None:
    """Take note of an error that nobody waits for any more."""
    if not fetching.cancelled():
        fetching.exception()
