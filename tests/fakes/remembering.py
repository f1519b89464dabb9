"""One person tells what there is to remember, the backend restarts, and weeks later they write again."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assistant.models.door import Model
from tests.fakes.backend import running
from tests.fakes.embedding import shared_embedder

CASES = Path(__file__).parent.parent / "memory" / "recall_cases.toml"
PATIENT = {"recall": {"deadline_ms": 5000}}
"""The machine that tests may be busy; what is recalled is looked at here, not how fast."""


@dataclass(frozen=True, slots=True)
class Later:
    """One reply after the restart."""

    message: str
    right: str | None
    """The fact that belongs to the message; None where none does."""
    recalled: tuple[str, ...]
    """Of the facts told before, those the reply was made from."""
    text: str


async def tell_restart_and_write_again(home: Path, policy: Callable[[], Model | None]) -> tuple[set[str], list[Later]]:
    """Return what was told but not learnt, and the replies after the restart; no policy means the configured one."""
    person = tomllib.loads(CASES.read_text(encoding="utf-8"))["tuned"]
    told = set(person["facts"].values())
    await shared_embedder().ready()
    async with running(home, policy=policy(), embedder=shared_embedder(), memory=PATIENT) as backend:
        for text in person["facts"].values():
            await backend.say(await backend.conversation(), text)
        missed = told - {memory["text"] for memory in await backend.memories()}
    later = []
    asked = {**person["related"], **dict.fromkeys(person["unrelated"])}
    async with running(home, policy=policy(), embedder=shared_embedder(), memory=PATIENT) as backend:
        for message, name in asked.items():
            reply = (await backend.say(await backend.conversation(), message)).json()
            assert reply["context"]["status"] == "ok"
            recalled = tuple(fact for fact in reply["context"]["facts"] if fact in told)
            right = None if name is None else person["facts"][name]
            later.append(Later(message, right, recalled, reply["message"]["text"]))
    return missed, later
