"""The policy registry: from a candidate to what answers everybody, and back.

The order of an activation is what makes it safe to be killed anywhere: gates and prompt are checked, every server is
made to have the policy and to answer once, and only then one transaction moves the pointers. Before that transaction
the old policy answers, after it the new one; doing it again completes it. Rolling back is the transaction alone,
because the previous policy stays loaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass

from assistant import wire
from assistant.config import AssistantConfig
from assistant.errors import ConflictError
from assistant.prompt import prompt_hash
from assistant.rollout import servers
from assistant.rollout.answering import require_same_prompt, spec_of
from assistant.rollout.gates import Closed, closed
from assistant.rollout.reports import EvaluationReport, SafetyReport
from assistant.rollout.spec import CONFIGURED, PolicySpec, fingerprint
from memory.ledger.ledger import Ledger
from memory.ledger.policies import Policy
from memory.ledger.policy_turns import Turn, Usage

Checkpoint = Callable[[str], None]


class GateClosedError(ConflictError):
    """The policy has not shown what it must."""

    code = "gate_closed"


@dataclass(frozen=True, slots=True)
class Overview:
    """A policy with what is known of it."""

    policy: Policy
    closed: tuple[Closed, ...]
    """What keeps it from going live; of the live one nothing is asked."""


class Registry:
    """The policies of an installation, for the API and the command line alike."""

    def __init__(
        self,
        ledger: Ledger,
        config: AssistantConfig,
        *,
        moved: Callable[[], Awaitable[None]] | None = None,
        checkpoint: Checkpoint = lambda _step: None,
    ) -> None:
        """`moved` is awaited after the pointers moved, so that this process follows at once; others poll."""
        self._ledger = ledger
        self._policies = ledger.policies
        self._config = config
        self._moved = moved
        self._checkpoint = checkpoint

    async def register(self, spec: PolicySpec, actor: str) -> Policy:
        """Register a candidate, with the hash of its files where they can be read.

        Raises:
            ConflictError: the version is taken, the files are not those of the given hash, or there is no hash.
        """
        if spec.path is not None and spec.path.exists():
            found = await asyncio.to_thread(fingerprint, spec.path)
            if spec.sha256 not in (None, found):
                raise ConflictError(
                    f"the files in {spec.path} have the hash {found}, not {spec.sha256}", param="sha256"
                )
            spec = spec.model_copy(update={"sha256": found})
        if spec.sha256 is None:
            raise ConflictError("the files cannot be read from here: give their sha256", param="sha256")
        return await self._policies.create(
            spec.version,
            spec.preset,
            spec.prompt_hash,
            spec.model_dump(mode="json", exclude={"version"}),
            kind=spec.kind,
            data_manifest=spec.lineage.data_manifest,
            actor=actor,
        )

    async def report(
        self, version: str, actor: str, *, evaluation: EvaluationReport | None, safety: SafetyReport | None
    ) -> Policy:
        """Add a report to a policy, in place of an earlier one."""
        await self._spec(version)
        given = {"evaluation": evaluation, "safety": safety}
        more = {name: one.model_dump(mode="json") for name, one in given.items() if one is not None}
        return await self._policies.note(version, actor, more)

    async def overview(self) -> list[Overview]:
        """Every policy, oldest first, each with the gates that are closed to it."""
        counted = await self._ledger.policy_turns.counted()
        policies = await self._policies.list()
        live = next((policy for policy in policies if policy.stage == "live"), None)
        return [Overview(policy, tuple(self._closed(policy, live, counted))) for policy in policies]

    async def canary(self, version: str, percent: float, actor: str) -> Policy:
        """Let a policy answer a share of the conversations.

        Raises:
            GateClosedError: its safety report is missing or bad.
            PromptMismatchError: it was trained with another prompt.
            RolloutError: a server does not have it.
        """
        policy, spec = await self._spec(version)
        require_same_prompt(policy)
        shut = [one for one in await self._shut(policy) if one.gate == "safety"]
        self._require_open(version, shut)
        await servers.load(spec)
        self._checkpoint("loaded")
        await servers.warm(spec)
        self._checkpoint("warm")
        started = await self._policies.start_canary(version, percent, actor)
        self._checkpoint("moved")
        await self._follow()
        return started

    async def activate(self, version: str, actor: str) -> Policy:
        """Let a policy answer everybody; what answered before stays loaded.

        Raises:
            GateClosedError: with each gate's reason.
            PromptMismatchError: it was trained with another prompt.
            RolloutError: a server does not have it.
            ConflictError: it is live already, or something else went live meanwhile.
        """
        policy, spec = await self._spec(version)
        live = await self._policies.live()
        if policy.stage == "live":
            raise ConflictError(f"policy {version!r} is live already")
        require_same_prompt(policy)
        self._require_open(version, await self._shut(policy))
        self._checkpoint("checked")
        await servers.load(spec)
        self._checkpoint("loaded")
        await servers.warm(spec)
        self._checkpoint("warm")
        role = self._config.policy
        configured = {"version": CONFIGURED, "preset": role.preset, "prompt_hash": prompt_hash(role.preset)}
        activated = await self._policies.activate(
            version,
            actor,
            instead_of=live.version if live else None,
            configured=configured,
            detail={"gates": list(self._config.policies.gates)},
        )
        self._checkpoint("moved")
        await self._follow()
        return activated

    async def roll_back(self, actor: str, reason: str = "") -> Policy:
        """Let the previous policy answer everybody again; asks no server and no gate.

        Raises:
            ConflictError: there is no previous policy.
        """
        self._checkpoint("checked")
        policy = await self._policies.roll_back(actor, reason)
        self._checkpoint("moved")
        await self._follow()
        return policy

    async def retire(self, version: str, actor: str) -> Policy:
        """Put a policy out of use and take it off its servers.

        Raises:
            ConflictError: it is live.
        """
        policy = await self._policies.retire(version, actor)
        self._checkpoint("moved")
        await self._follow()
        if policy.kind == "lora":
            await servers.unload(spec_of(policy))
        return policy

    def _closed(self, policy: Policy, live: Policy | None, counted: Mapping[Turn, int]) -> list[Closed]:
        if policy.kind == "configured" or policy.stage == "live":
            return []
        answers = live.version if live else CONFIGURED
        settings = self._config.policies
        return closed(spec_of(policy), answers, counted, settings, is_canary=policy.stage == "canary")

    async def _shut(self, policy: Policy) -> list[Closed]:
        counted = await self._ledger.policy_turns.counted()
        return self._closed(policy, await self._policies.live(), counted)

    def _require_open(self, version: str, shut: list[Closed]) -> None:
        if shut:
            reasons = "; ".join(f"{one.gate}: {one.reason}" for one in shut)
            raise GateClosedError(f"policy {version} may not answer yet: {reasons}")

    async def _spec(self, version: str) -> tuple[Policy, PolicySpec]:
        policy = await self._policies.get(version)
        if policy.kind == "configured":
            raise ConflictError("the configured model needs no rollout: go back to it with attune policies rollback")
        return policy, spec_of(policy)

    async def _follow(self) -> None:
        if self._moved is not None:
            await self._moved()


def view(one: Overview, used: Usage | None) -> wire.PolicyView:
    """A policy as operators see it."""
    policy = one.policy
    return wire.PolicyView(
        version=policy.version,
        kind=policy.kind,
        stage=policy.stage,
        canary_percent=policy.canary_percent,
        preset=policy.preset,
        prompt_hash=policy.prompt_hash,
        needs_retraining=policy.tainted_at is not None,
        closed_gates=[wire.GateView(gate=shut.gate, reason=shut.reason) for shut in one.closed],
        usage=wire.PolicyUsage() if used is None else wire.PolicyUsage(**asdict(used)),
        created_at=policy.created_at,
        updated_at=policy.updated_at,
    )
