"""What a backend and a worker both have open: the ledger, the index, the models, and the jobs that they know.

Opened in order and closed in reverse. The embedding model loads in the background, so that nobody waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from assistant.chat import Checkpoint
from assistant.config import AssistantConfig
from assistant.models.auto import complete_for, open_policy, open_role
from assistant.models.door import Model
from memory.embedder import Embedder
from memory.forget import Forgetting
from memory.index import Index
from memory.ledger.jobs import FORGET
from memory.ledger.ledger import Ledger
from memory.lock import DataDirectoryLock
from memory.mending import Mending
from memory.peers import Peers
from memory.persona.evidence import trait_evidence, warm
from memory.portability.carry import EXPORT, Carrying
from memory.queue import ReflectionWorker
from memory.retention import Retention

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Learning:
    """The open resources that reflecting, forgetting and exporting need."""

    config: AssistantConfig
    home: Path
    ledger: Ledger
    peers: Peers
    """The other processes on the ledger."""
    embedder: Embedder
    index: Index
    policy: Model
    """The configured one."""
    reflect: Model
    """What reflects; may be the policy itself."""
    forgetting: Forgetting
    mending: Mending
    carrying: Carrying

    def worker(self) -> ReflectionWorker:
        """Make this process's worker."""
        retention = Retention(self.ledger)
        return ReflectionWorker(
            self.ledger,
            self.index,
            complete_for(self.reflect),
            self.config.memory_config.reflection,
            f"{socket.gethostname()}:{os.getpid()}",
            observe_traits=partial(trait_evidence, embedder=self.embedder),
            handlers={FORGET: self.forgetting.run, EXPORT: self.carrying.run},
            chores=(self.forgetting.tidy, self.carrying.tidy, retention.sweep, retention.purge, self.mending.sweep),
            peers=self.peers,
        )

    @asynccontextmanager
    async def warming(self) -> AsyncIterator[None]:
        """Where rules reflect, prepare the observation of traits meanwhile; what failed is said by its first use."""
        if complete_for(self.reflect) is not None:
            yield
            return
        task = asyncio.create_task(warm(self.embedder), name="warming")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def open_learning(
    config: AssistantConfig,
    *,
    checkpoint: Checkpoint = lambda _step: None,
    policy: Model | None = None,
    embedder: Embedder | None = None,
) -> AsyncIterator[Learning]:
    """Open everything below the data directory; `policy` and `embedder` stand in for the configured ones.

    Raises:
        DataDirectoryLockedError: another process owns the data directory.
        LedgerError: the ledger cannot be opened.
    """
    memory = config.memory_config
    async with AsyncExitStack() as stack:
        stack.enter_context(DataDirectoryLock(memory.home))
        ledger = await stack.enter_async_context(Ledger.open(memory))
        peers = await stack.enter_async_context(Peers.open(ledger.database))
        if embedder is None:
            embedder = Embedder(memory.embedder, memory.home / "models")
            stack.callback(embedder.close)
        embedder.start()
        index = await stack.enter_async_context(Index.open(memory, embedder))
        model = policy or await open_policy(config)
        stack.push_async_callback(model.aclose)
        reflect = await open_role(config.reflect, "reflect", model, stack)
        forgetting = Forgetting(ledger, index, memory.home, checkpoint)
        mending = Mending(ledger, index)
        stack.push_async_callback(mending.aclose)
        carrying = Carrying(ledger, index, memory.home)
        opened = (config, memory.home, ledger, peers, embedder, index, model, reflect)
        yield Learning(*opened, forgetting, mending, carrying)
