"""Everything the backend has open: the ledger, the index, the models, the worker, the running turns.

Opened once, in order, and closed in reverse: running turns end first, then what was learned is written down. The
embedding model loads in the background, so that the first answer does not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from assistant.chat import Chat, Checkpoint
from assistant.config import AssistantConfig
from assistant.errors import ConfigError
from assistant.inbox import Inbox
from assistant.learning import Learning, open_learning
from assistant.limits import Limits
from assistant.line import Line
from assistant.metrics import Metrics
from assistant.models.auto import complete_for, open_role
from assistant.models.door import Model
from assistant.policies import Registry
from assistant.rollout.answering import Answering
from assistant.screening import Screening, SecondLook
from assistant.turns import Turns
from memory.elsewhere import Elsewhere
from memory.embedder import Embedder
from memory.forget import Forgetting
from memory.index import Index
from memory.ledger.ledger import Ledger
from memory.peers import Peers
from memory.portability.carry import Carrying
from memory.queue import ReflectionWorker
from memory.recall import Recall
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
    peers: Peers
    """The other processes on the ledger."""
    embedder: Embedder
    index: Index
    recall: Recall
    policy: Model
    """The configured one; `answering` says which policy answers."""
    worker: ReflectionWorker | Elsewhere
    metrics: Metrics
    turns: Turns
    inbox: Inbox
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
        opening = open_learning(config, checkpoint=checkpoint, policy=policy, embedder=embedder)
        base = await stack.enter_async_context(opening)
        ledger, model = base.ledger, base.policy
        recall = Recall(ledger, base.index, memory.recall, base.mending.begin)
        worker = await stack.enter_async_context(_worker(base))
        pointers = await stack.enter_async_context(Ledger.open(memory))
        answering = Answering(ledger, model, config, pointers=pointers)
        await stack.enter_async_context(answering.following())
        turns = Turns(config.server.duplicate_window_s, config.server.disconnect_grace_s)
        stack.push_async_callback(turns.drain, config.server.drain_s)
        line = Line(config.server.replies_at_once, config.server.waiting_line)
        metrics.watch(line, turns)
        screening = Screening(await _second_look(config, model, stack), metrics)
        inbox = Inbox(ledger, screening, metrics, checkpoint=checkpoint, now=now)
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
        registry = Registry(ledger, config, moved=answering.refresh, checkpoint=checkpoint)
        opened = (config, base.home, owner, ledger, base.peers, base.embedder, base.index, recall, model, worker)
        yield Runtime(
            *opened, metrics, turns, inbox, chat, limits, line, base.forgetting, answering, registry, base.carrying
        )


async def _second_look(config: AssistantConfig, policy: Model, stack: AsyncExitStack) -> SecondLook | None:
    complete = complete_for(await open_role(config.safety.second_look, "second look", policy, stack))
    return None if complete is None else SecondLook(complete, config.safety.second_look_s)


@asynccontextmanager
async def _worker(base: Learning) -> AsyncIterator[ReflectionWorker | Elsewhere]:
    """Run the worker beside the backend; or, where others do the work, make good only what a crash left here."""
    if not base.config.server.worker:
        if not base.ledger.database.shared:
            raise ConfigError(
                "server.worker = false (--no-worker) leaves the work to attune work, which needs a ledger that both "
                "can open: set memory.database_url to a Postgres"
            )
        await base.forgetting.tidy_here()
        await base.carrying.tidy()
        yield Elsewhere(base.ledger, base.peers)
        return
    if not base.ledger.database.shared:
        await base.ledger.jobs.release_all()  # this process alone owns the directory: whoever held a job is dead
    worker = base.worker()
    async with _working(worker), base.warming():
        yield worker


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


async def require_keys(ledger: Ledger, host: str, *, owner_key: bool = False) -> None:
    """Refuse to listen beyond this machine before somebody made a key for it, or gave the owner's.

    Raises:
        ConfigError: the host is not a loopback address and only the local owner's key exists.
    """
    if host in ("127.0.0.1", "::1", "localhost") or owner_key:
        return
    if not any(key.kind != "owner" and key.revoked_at is None for key in await ledger.keys.list()):
        raise ConfigError(
            f"refusing to listen on {host}: other machines could reach it and no key exists for them. "
            "Make one first: attune keys create --kind user"
        )
