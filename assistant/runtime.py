"""Everything the backend has open: the ledger, the index, the models, the worker, the running turns.

Opened once, in order, and closed in reverse: running turns end first, then what was learned is written down. The
embedding model loads in the background, so that the first answer does not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from assistant.chat import Chat, Checkpoint
from assistant.config import AssistantConfig, ModelConfig
from assistant.errors import ConfigError
from assistant.limits import Limits
from assistant.line import Line
from assistant.metrics import Metrics
from assistant.models.auto import complete_for, open_model, open_policy
from assistant.models.door import Model
from assistant.policies import Registry
from assistant.rollout.answering import Answering
from assistant.turns import Turns
from memory.embedder import Embedder
from memory.forget import Forgetting
from memory.index import Index
from memory.ledger.jobs import FORGET
from memory.ledger.ledger import Ledger
from memory.lock import DataDirectoryLock
from memory.persona.evidence import trait_evidence, warm
from memory.portability.carry import EXPORT, Carrying
from memory.queue import ReflectionWorker
from memory.recall import Recall
from memory.retention import Retention
from memory.types import Person

log = logging.getLogger(__name__)

DRAIN_S = 25.0
"""How long closing waits for what is still to be learned."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The open resources, for routes and commands."""

    config: AssistantConfig
    home: Path
    owner: Person
    ledger: Ledger
    embedder: Embedder
    index: Index
    recall: Recall
    policy: Model
    """The configured one; `answering` says which policy answers."""
    worker: ReflectionWorker
    metrics: Metrics
    turns: Turns
    chat: Chat
    limits: Limits
    line: Line
    forgetting: Forgetting
    answering: Answering
    policies: Registry
    carrying: Carrying


@asynccontextmanager
async def open_runtime(
    config: AssistantConfig,
    *,
    checkpoint: Checkpoint = lambda _step: None,
    policy: Model | None = None,
    embedder: Embedder | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[Runtime]:
    """Open everything below the data directory; `policy` and `embedder` stand in for the configured ones.

    Raises:
        DataDirectoryLockedError: another process owns the data directory.
        LedgerError: the ledger cannot be opened.
    """
    memory, metrics = config.memory_config, Metrics()
    async with AsyncExitStack() as stack:
        stack.enter_context(DataDirectoryLock(memory.home))
        ledger = await stack.enter_async_context(Ledger.open(memory))
        if embedder is None:
            embedder = Embedder(memory.embedder, memory.home / "models")
            stack.callback(embedder.close)
        embedder.start()
        index = await stack.enter_async_context(Index.open(memory, embedder))
        recall = Recall(ledger, index, memory.recall)
        model = policy or await open_policy(config)
        stack.push_async_callback(model.aclose)
        reflect = await _open_reflect(config.reflect, model, stack)
        forgetting = Forgetting(ledger, index, memory.home, checkpoint)
        carrying = Carrying(ledger, index, memory.home)
        worker_id = f"{socket.gethostname()}:{os.getpid()}"
        worker = ReflectionWorker(
            ledger,
            index,
            complete_for(reflect),
            memory.reflection,
            worker_id,
            observe_traits=partial(trait_evidence, embedder=embedder),
            handlers={FORGET: forgetting.run, EXPORT: carrying.run},
            chores=(forgetting.tidy, carrying.tidy, Retention(ledger).sweep),
        )
        if ledger.database.path is not None:
            await ledger.jobs.release_all()  # this process alone owns the directory: whoever held a job is dead
        await stack.enter_async_context(_working(worker))
        pointers = await stack.enter_async_context(Ledger.open(memory))
        answering = Answering(ledger, model, config, pointers=pointers)
        await stack.enter_async_context(answering.following())
        turns = Turns(config.server.duplicate_window_s, config.server.disconnect_grace_s)
        stack.push_async_callback(turns.drain, config.server.drain_s)
        line = Line(config.server.replies_at_once, config.server.waiting_line)
        metrics.watch(line, turns)
        chat = Chat(
            ledger,
            recall,
            answering,
            metrics,
            line=line,
            ai_notice=config.ai_notice,
            ai_reminder=config.ai_reminder,
            remind_every=timedelta(hours=config.ai_reminder_hours),
            learned=worker.notify,
            checkpoint=checkpoint,
            now=now,
        )
        owner = await ledger.users.owner()
        limits = Limits(config.server.messages_per_minute, config.server.streams_at_once, uncounted=owner.id)
        if complete_for(reflect) is None:
            await stack.enter_async_context(_warming(embedder))
        registry = Registry(ledger, config, moved=answering.refresh, checkpoint=checkpoint)
        opened = (config, memory.home, owner, ledger, embedder, index, recall, model, worker, metrics, turns, chat)
        yield Runtime(*opened, limits, line, forgetting, answering, registry, carrying)


@asynccontextmanager
async def _warming(embedder: Embedder) -> AsyncIterator[None]:
    """Prepare the observation of traits beside the backend; what failed is said by its first use."""
    task = asyncio.create_task(warm(embedder), name="warming")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _open_reflect(role: ModelConfig, policy: Model, stack: AsyncExitStack) -> Model:
    """Open the model that reflects; `same` is the policy's own."""
    if role.engine == "same":
        return policy
    model = await open_model(role, name="reflect")
    stack.push_async_callback(model.aclose)
    return model


@asynccontextmanager
async def _working(worker: ReflectionWorker) -> AsyncIterator[None]:
    """Run the worker beside the backend; on leaving let it finish what is queued, within bounds."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop), name="reflection")
    try:
        yield
    finally:
        if not task.done() and not await worker.drain(DRAIN_S):
            log.warning("reflection goes on at the next start: the queue did not drain in %s s", DRAIN_S)
        stop.set()
        await task


async def require_keys(ledger: Ledger, host: str) -> None:
    """Refuse to listen beyond this machine before somebody made a key for it.

    Raises:
        ConfigError: the host is not a loopback address and only the local owner's key exists.
    """
    if host in ("127.0.0.1", "::1", "localhost"):
        return
    if not any(key.kind != "owner" and key.revoked_at is None for key in await ledger.keys.list()):
        raise ConfigError(
            f"refusing to listen on {host}: other machines could reach it and no key exists for them. "
            "Make one first: attune keys create --kind user"
        )
