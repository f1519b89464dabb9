"""Trained policies: registered, let answer a share, let answer everybody, and taken back."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from assistant import wire
from assistant.auth import Admin, Runtimes
from assistant.policies import Overview, view
from assistant.rollout.gates import health
from assistant.rollout.reports import EvaluationReport, SafetyReport
from assistant.rollout.spec import PolicySpec
from assistant.runtime import Runtime

router = APIRouter(prefix="/v1/admin/policies", tags=["admin"])


class Reports(BaseModel):
    """`PUT /v1/admin/policies/{version}/reports`: one or both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    evaluation: EvaluationReport | None = None
    safety: SafetyReport | None = None


@router.get("")
async def list_policies(runtime: Runtimes, _admin: Admin) -> wire.PolicyList:
    """List all policies with what people made of their replies."""
    usage = await runtime.ledger.policy_turns.usage()
    data = [view(one, usage.get(one.policy.version)) for one in await runtime.policies.overview()]
    return wire.PolicyList(data=data, answers=runtime.answering.live.version)


@router.post("", status_code=201)
async def register(body: PolicySpec, runtime: Runtimes, admin: Admin) -> wire.PolicyView:
    """Register a candidate; a version never changes what it means."""
    await runtime.policies.register(body, admin.key.id)
    return await _view(runtime, body.version)


@router.post("/rollback")
async def roll_back(runtime: Runtimes, admin: Admin, body: wire.Rollback | None = None) -> wire.PolicyView:
    """Let the previous policy answer everybody again."""
    policy = await runtime.policies.roll_back(admin.key.id, body.reason if body else "")
    return await _view(runtime, policy.version)


@router.get("/{version}")
async def show(version: str, runtime: Runtimes, _admin: Admin) -> wire.PolicyDetail:
    """Show a policy: where it came from, its reports, its gates, and how its canary does."""
    one = await _overview(runtime, version)
    canary, others = health(await runtime.ledger.policy_turns.counted(), version)
    return wire.PolicyDetail(
        policy=await _view(runtime, version),
        details=dict(one.policy.details),
        people=len(await runtime.ledger.policies.people(version)),
        canary=wire.CanaryHealth(answered=canary.answered, failed=canary.failed, slow_ms=canary.slow_ms),
        others=wire.CanaryHealth(answered=others.answered, failed=others.failed, slow_ms=others.slow_ms),
    )


@router.get("/{version}/people")
async def people(version: str, runtime: Runtimes, _admin: Admin) -> wire.PolicyPeople:
    """List whose data a policy saw, by id."""
    return wire.PolicyPeople(data=await runtime.ledger.policies.people(version))


@router.put("/{version}/reports")
async def report(version: str, body: Reports, runtime: Runtimes, admin: Admin) -> wire.PolicyView:
    """Add the evaluation or the safety report, in place of an earlier one."""
    await runtime.policies.report(version, admin.key.id, evaluation=body.evaluation, safety=body.safety)
    return await _view(runtime, version)


@router.post("/{version}/canary")
async def canary(version: str, body: wire.CanaryShare, runtime: Runtimes, admin: Admin) -> wire.PolicyView:
    """Let a policy answer a share of the conversations."""
    await runtime.policies.canary(version, body.percent, admin.key.id)
    return await _view(runtime, version)


@router.post("/{version}/activate")
async def activate(version: str, runtime: Runtimes, admin: Admin) -> wire.PolicyView:
    """Let a policy answer everybody, if its gates are open."""
    await runtime.policies.activate(version, admin.key.id)
    return await _view(runtime, version)


@router.post("/{version}/retire")
async def retire(version: str, runtime: Runtimes, admin: Admin) -> wire.PolicyView:
    """Put a policy out of use and take it off its servers."""
    await runtime.policies.retire(version, admin.key.id)
    return await _view(runtime, version)


async def _overview(runtime: Runtime, version: str) -> Overview:
    await runtime.ledger.policies.get(version)
    return next(one for one in await runtime.policies.overview() if one.policy.version == version)


async def _view(runtime: Runtime, version: str) -> wire.PolicyView:
    usage = await runtime.ledger.policy_turns.usage()
    return view(await _overview(runtime, version), usage.get(version))
