"""Which policy answers a conversation: follows the ledger's pointers, so that every backend agrees within a second.

- Without a registered policy the configured model answers.
- A canary answers its share of the conversations, chosen by a hash of their id. A conversation stays with the policy
  of its last reply while that is live or the canary, also when the share changes; an activation moves everybody.
- A reply that has begun ends with the policy it began with; that stays open until the last such reply has ended.

A policy trained with another prompt than this program's is never asked.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from assistant.config import AssistantConfig, ModelConfig
from assistant.errors import AttuneError, ConfigError
from assistant.models.auto import open_model
from assistant.models.door import Model
from assistant.models.replicas import Replicas
from assistant.prompt import prompt_hash
from assistant.rollout.gates import failing, health, time_class
from assistant.rollout.servers import keep
from assistant.rollout.spec import PolicySpec
from memory.errors import MemoryLayerError
from memory.ledger.ledger import Ledger
from memory.ledger.policies import Policy, Stage
from memory.ledger.policy_turns import Outcome, Turn

log = logging.getLogger(__name__)

_SHARES = 10_000


@dataclass(slots=True)
class Answerer:
    """One policy, open."""

    version: str
    """What its replies are recorded under."""
    model: Model
    config: ModelConfig
    running: int = field(default=0, compare=False)
    """Replies that are being spoken."""


class PromptMismatchError(ConfigError):
    """The policy was trained with another prompt than this program composes."""


def require_same_prompt(policy: Policy) -> None:
    """Return when this program composes the prompt that a policy was trained with.

    Raises:
        PromptMismatchError: it does not.
    """
    ours = prompt_hash(policy.preset)
    if policy.kind != "configured" and policy.prompt_hash != ours:
        raise PromptMismatchError(
            f"policy {policy.version} was trained with another prompt (preset {policy.preset}, hash "
            f"{policy.prompt_hash[:12]}; this program composes {ours[:12]}): run the release it was trained with, "
            "retrain, or go back with attune policies rollback"
        )


class Answering:
    """The open policies of this process and the choice among them."""

    def __init__(
        self, ledger: Ledger, configured: Model, config: AssistantConfig, *, pointers: Ledger | None = None
    ) -> None:
        """`pointers` is the same ledger with connections of its own: turns must not hold up following it."""
        self._ledger = ledger
        self._pointers = (pointers or ledger).policies
        self._settings = config.policies
        self._role = config.policy
        self._configured = Answerer(configured.identity.policy_version, configured, config.policy)
        self._live = self._configured
        self._canary: Answerer | None = None
        self._percent = 0.0
        self._seen: dict[Stage, Policy] = {}
        self._open: dict[str, Answerer] = {}
        self._counted: Counter[Turn] = Counter()
        self._following = asyncio.Lock()

    @property
    def live(self) -> Answerer:
        """What answers everybody but the canary's share."""
        return self._live if self._live is not self._configured else self._now_configured()

    async def refresh(self) -> None:
        """Look at the pointers and follow them; what cannot be followed is logged and what answered goes on.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        async with self._following:
            policies = await self._pointers.in_use()
            if policies == self._seen:
                return
            live, canary = policies.get("live"), policies.get("canary")
            self._live = self._configured if live is None else await self._opened(live) or self._live
            self._canary = None if canary is None else await self._opened(canary)
            self._percent = canary.canary_percent or 0.0 if canary is not None else 0.0
            self._seen = policies
            await self._close_unused({policy.version for policy in policies.values()})

    def choose(self, conversation_id: str, last_version: str | None = None) -> Answerer:
        """The policy that answers next; `last_version` is that of the conversation's last reply, if there is one."""
        canary, live = self._canary, self.live
        if canary is None or last_version == live.version:
            return live
        if last_version == canary.version:
            return canary
        return canary if _share(conversation_id, canary.version) < self._percent else live

    @contextmanager
    def speaking(self, answerer: Answerer) -> Iterator[None]:
        """Keep a policy open while it speaks."""
        answerer.running += 1
        try:
            yield
        finally:
            answerer.running -= 1

    def count(self, version: str, outcome: Outcome, first_token_ms: float) -> None:
        """Count a turn for the canary's comparison; without a canary nothing is kept."""
        if self._canary is not None:
            self._counted[version, outcome, time_class(first_token_ms)] += 1

    async def watch(self) -> None:
        """Write down what was counted, and stop a canary that fails; several backends may do so at once."""
        counted, self._counted = self._counted, Counter()
        if counted:
            await self._ledger.policy_turns.add(counted)
        canary = self._canary
        if canary is None:
            return
        mine, others = health(await self._ledger.policy_turns.counted(), canary.version)
        reason = failing(mine, others, self._settings)
        if reason is not None and await self._ledger.policies.stop_canary(canary.version, "system", reason):
            log.error("canary %s was rolled back: %s", canary.version, reason)
            await self.refresh()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow the pointers beside the backend until left, then close what was opened.

        Raises:
            PromptMismatchError: the live policy cannot answer with this program's prompt.
        """
        live = await self._pointers.live()
        if live is not None:
            require_same_prompt(live)
        await self.refresh()
        tasks = [
            asyncio.create_task(self._every(self._settings.poll_s, self._follow), name="policies"),
            asyncio.create_task(self._every(self._settings.keep_s, self._keep), name="adapters"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for answerer in self._open.values():
                await answerer.model.aclose()

    async def _follow(self) -> None:
        await self.refresh()
        await self.watch()

    async def _keep(self) -> None:
        await keep([spec_of(policy) for policy in self._seen.values() if policy.kind == "lora"])

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await do()
            except (MemoryLayerError, AttuneError) as error:
                log.warning("the policies could not be looked at: %s", error)

    async def _opened(self, policy: Policy) -> Answerer | None:
        """The policy, open; None, with a line in the log, when it cannot be asked."""
        if policy.kind == "configured":
            return self._configured
        if policy.version not in self._open:
            try:
                require_same_prompt(policy)
                spec = spec_of(policy)
                configs = [spec.model_config_for(replica, self._role) for replica in spec.replicas]
                model = Replicas([await open_model(config) for config in configs])
            except AttuneError as error:
                log.error("policy %s does not answer here: %s", policy.version, error)
                return None
            self._open[policy.version] = Answerer(policy.version, model, configs[0])
        return self._open[policy.version]

    async def _close_unused(self, used: set[str]) -> None:
        """Close what is out of use and has nothing left to say; the rest waits for the next change."""
        for version, answerer in list(self._open.items()):
            if version not in used and not answerer.running and answerer is not self._live:
                del self._open[version]
                await answerer.model.aclose()

    def _now_configured(self) -> Answerer:
        """The configured model under its name of now: a server may have told its own meanwhile."""
        self._configured.version = self._configured.model.identity.policy_version
        return self._configured


def spec_of(policy: Policy) -> PolicySpec:
    """What a policy is, as it was registered."""
    kept = {name: value for name, value in policy.details.items() if name in PolicySpec.model_fields}
    return PolicySpec.model_validate({**kept, "version": policy.version})


def _share(conversation_id: str, version: str) -> float:
    """Where a conversation stands between 0 and 100, evenly spread, and anew for each canary."""
    digest = hashlib.sha256(f"{version}\0{conversation_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % _SHARES * 100 / _SHARES
