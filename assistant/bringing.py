"""Bringing one person's history in, from an archive, ChatGPT or JSON lines; JSON lines may also name several people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Literal

from assistant import wire
from assistant.importing import Step, read_and_reflect
from assistant.runtime import Runtime
from assistant.safety.screen import screen
from memory.importing.chatgpt import read_chatgpt
from memory.importing.history import History, Import, ImportSummary, Progress
from memory.importing.jsonl import Named, read_jsonl

Format = Literal["attune", "chatgpt", "jsonl"]


async def bring(runtime: Runtime, format: Format, path: Path, person: str | None) -> AsyncIterator[Step | wire.Brought]:
    """Import a file as this person's; None lets JSON lines name the people, whom an operator then knows by that name.

    Yields progress, and the summary last, when all of it was reflected on. Running it again adds nothing.

    Raises:
        ImportFileError: the file is not what it should be; single conversations that are not are skipped and named.
        MemoryLayerError: it could not be stored.
    """
    if format == "attune":
        async for step in _restore(runtime, path, person or runtime.owner.id):
            yield step
        return
    owner = person or (runtime.owner.id if format == "chatgpt" else None)

    async def read(progress: Callable[[Progress], None]) -> ImportSummary:
        told = read_chatgpt(path) if format == "chatgpt" else read_jsonl(path)
        return await _read(runtime, told, owner, progress)

    async for part in read_and_reflect(runtime, read):
        if isinstance(part, ImportSummary):
            yield await _summary(runtime, format, part)
        else:
            yield part


async def _restore(runtime: Runtime, path: Path, person: str) -> AsyncIterator[Step | wire.Brought]:
    yield Step(phase="reading", done=0, total=1)
    restored = await runtime.carrying.restore(person, path)
    runtime.worker.notify()
    yield Step(phase="reading", done=1, total=1)
    yield wire.Brought(
        format="attune",
        people=1,
        conversations=restored.conversations,
        messages=restored.messages,
        facts=len(restored.facts),
        to_learn_from=restored.jobs,
    )


async def _read(
    runtime: Runtime,
    told: Iterator[History | str] | Iterator[Named | str],
    person: str | None,
    progress: Callable[[Progress], None],
) -> ImportSummary:
    batch_chars = runtime.config.memory_config.reflection.batch_chars
    importing = Import(runtime.ledger, lambda text: screen(text).level, batch_chars)
    names: set[str] = set()
    while (one := await asyncio.to_thread(next, told, None)) is not None:
        if isinstance(one, str):
            importing.skip(one)
            continue
        history = one.history if isinstance(one, Named) else one
        named = one.user if isinstance(one, Named) else None
        whose = person
        if person is not None and named is not None:
            names.add(named)
        elif person is None and named is not None:
            whose = (await runtime.ledger.users.ensure_external("", named)).id
        if whose is None:
            importing.skip("a conversation names no user: name one with --user")
        elif len(names) > 1:
            importing.skip("a conversation names another user than those before: one person's history is imported")
            names.discard(named or "")
        else:
            await importing.take(whose, history)
        progress(Progress(importing.read))
    progress(Progress(importing.read, importing.read))
    return importing.summary()


async def _summary(runtime: Runtime, format: Format, summary: ImportSummary) -> wire.Brought:
    failed = [job for job in await runtime.ledger.jobs.list(status="failed") if job.person_id in summary.person_ids]
    return wire.Brought(
        format=format,
        people=summary.people,
        conversations=summary.conversations,
        messages=summary.messages,
        already_there=summary.already_there,
        to_learn_from=summary.jobs,
        failed_batches=len(failed),
        skipped=list(summary.skipped),
    )
