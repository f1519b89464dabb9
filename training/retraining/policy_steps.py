"""From rows to a policy that answers: train, evaluate, register, canary, activate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from assistant.policies import Registry
from assistant.rollout import servers
from assistant.rollout.answering import spec_of
from assistant.rollout.description import spec_of_directory
from assistant.rollout.spec import CONFIGURED, PolicySpec, fingerprint
from assistant.rollout.vllm import SERVE_PYTHON
from memory.errors import NotFoundError
from memory.ledger.ledger import Ledger
from memory.ledger.policies import Policy, Stage
from training.describe import weights_of
from training.errors import ConfigError, EngineError
from training.evaluation.config import PolicyConfig
from training.grpo import newest_checkpoint
from training.peregrm.judge import judge_identity
from training.personaemp.manifest import file_sha256, read_manifest
from training.retraining.journal import Inputs, digest
from training.retraining.road import Road
from training.retraining.step import ATTUNE, TRAIN, NotYetError, Step
from training.steps import read_steps
from training.vllm_server import run_vllm

CANDIDATE = "candidate"
"""What the new policy is called in the evaluation."""


def _train_inputs(road: Road) -> Inputs:
    run = road.grpo.model_dump(mode="json")
    for name in ("data", "judge", "out", "gpu_gib"):
        run["attune"].pop(name)
    model = Path(road.grpo.base_model)
    return {
        "rows": read_manifest(road.data).sha256(),
        "judge": judge_identity(road.judge),
        "training configuration": digest(run),
        "base model": fingerprint(model) if model.is_dir() else road.grpo.base_model,
    }


def _train(road: Road, key: str) -> dict[str, Any]:
    out = road.work / f"train-{key}"
    out.mkdir(exist_ok=True)
    run = road.grpo.model_dump(mode="json")
    run["attune"] |= {"data": str(road.data), "judge": str(road.config.judge.absolute()), "out": str(out)}
    config = out / "run.yaml"
    config.write_text(yaml.safe_dump(run, sort_keys=False), encoding="utf-8")
    road.run("train", TRAIN, "grpo", "--config", str(config))
    checkpoint = newest_checkpoint(out)
    if checkpoint is None:
        raise EngineError(f"training left no checkpoint in {out}")
    weights, steps = weights_of(checkpoint / "actor"), read_steps(out)
    took = [seconds for step in steps if (seconds := step.get("timing_s/step")) is not None]
    return {
        "weights": str(weights),
        "sha256": fingerprint(weights),
        "steps": steps[-1].number,
        "seconds per step": round(sum(took) / max(1, len(took)), 2),
        "reward": steps[-1].get("critic/score/mean"),
    }


def _train_gone(_road: Road, outputs: dict[str, Any]) -> str | None:
    weights = Path(outputs["weights"])
    if not weights.is_dir():
        return f"{weights} is gone"
    return None if fingerprint(weights) == outputs["sha256"] else f"{weights} was changed"


# ---------------------------------------------------------------- evaluation


def spec(road: Road) -> PolicySpec:
    """Describe the policy of this round as it is to be registered.

    Raises:
        ConfigError: it is full weights and no server is left for it.
    """
    rollout, prompt = road.config.rollout, road.build.prompt
    found = spec_of_directory(road.weights, version=road.version, replica=rollout.servers[0])
    return found.model_copy(
        update={
            "replicas": rollout.servers if found.kind == "lora" else _own_server(road),
            "api_key_env": rollout.api_key_env,
            "context_tokens": prompt.context_tokens,
            "max_tokens": prompt.max_reply_tokens,
        }
    )


def _own_server(road: Road) -> tuple[str, ...]:
    """Return where full weights are served: where they are registered, else a server from which nothing answers."""
    known = _policy_of(road, road.version)
    if known is not None:
        return spec_of(known).replicas

    async def ask(ledger: Ledger) -> dict[Stage, Policy]:
        return await ledger.policies.in_use()

    using = road.with_ledger(ask)
    taken = {
        url.rstrip("/") for policy in using.values() if policy.kind != CONFIGURED for url in spec_of(policy).replicas
    }
    if "live" not in using or any(policy.kind == CONFIGURED for policy in using.values()):
        taken.add((road.attune.policy.base_url or "").rstrip("/"))
    for server in road.config.rollout.servers:
        if server.rstrip("/") not in taken:
            return (server,)
    raise ConfigError(
        "rollout.servers: full weights need a server of their own, and each of these has what is live, was live before "
        "or is the canary: name one more, or retire what was live before with attune policies retire"
    )


def _serves(wanted: PolicySpec) -> bool:
    """Say whether full weights are served already where they are to be."""
    try:
        asyncio.run(servers.load(wanted))
    except servers.RolloutError:
        return False
    return True


def _live(road: Road) -> Policy | None:
    async def ask(ledger: Ledger) -> Policy | None:
        return await ledger.policies.live()

    return road.with_ledger(ask)


def _against(road: Road) -> str:
    """Return what the policy of this round is compared with: what was live when it was, once it was put forward."""
    forward = road.journal.entries.get("canary")
    if forward is not None and forward.outputs["version"] == road.version:
        return road.journal.entries["evaluate"].inputs["what is live"]
    live = _live(road)
    return CONFIGURED if live is None else live.version


def _evaluate_inputs(road: Road) -> Inputs:
    settings = road.evaluate.model_dump(mode="json", exclude={"dataset", "out", "policies"})
    baseline = road.evaluate.policies[road.evaluate.baseline]
    return {
        "weights": road.output("train", "sha256"),
        "questions": read_manifest(road.data).sha256(),
        "what is live": _against(road),
        "evaluation configuration": digest([settings, baseline.model_dump(mode="json")]),
    }


def _evaluate(road: Road, key: str) -> dict[str, Any]:
    out = road.work / f"evaluation-{key}"
    out.mkdir(exist_ok=True)
    with _served(road) as server:
        config = out / "evaluate.json"
        config.write_text(json.dumps(_evaluation(road, out, server), indent=2) + "\n", encoding="utf-8")
        road.run("evaluate", TRAIN, "evaluate", "--config", str(config))
    judge, split = next(iter(road.evaluate.judges)), road.evaluate.splits[0]
    gate = out / f"gate-{CANDIDATE}-{judge}-{split}.json"
    if not gate.is_file():
        raise EngineError(f"the evaluation scored nothing that can be compared; see {out / 'results.md'}")
    found = json.loads(gate.read_text(encoding="utf-8"))
    return {
        "gate": str(gate),
        "against": found["baseline"],
        "difference": found["difference"]["mean"],
        "low": found["difference"]["low"],
        "high": found["difference"]["high"],
        "scored": found["scored"],
        "unscored": found["unscored"],
    }


def _evaluation(road: Road, out: Path, server: str) -> dict[str, Any]:
    """Return the evaluation's configuration: what is live, or the configured baseline, and the candidate."""
    evaluate, wanted = road.evaluate, spec(road)
    baseline = evaluate.policies[evaluate.baseline]
    live = _live(road)
    against, version = baseline, CONFIGURED if live is None else live.version
    if live is not None and live.kind != "configured":
        against = _policy(baseline, spec_of(live), spec_of(live).replicas[0])
    candidate = _policy(baseline, wanted, server).model_copy(update={"sha256": road.output("train", "sha256")})
    policies = {evaluate.baseline: against, CANDIDATE: candidate}
    changed = evaluate.model_copy(
        update={"dataset": road.data, "out": out, "policies": policies, "baseline_version": version}
    )
    told: dict[str, Any] = changed.model_dump(mode="json")
    return told


def _policy(like: PolicyConfig, of: PolicySpec, server: str) -> PolicyConfig:
    where = {"base_url": server, "model": of.served_name, "api_key_env": of.api_key_env}
    endpoint = like.endpoint.model_copy(update=where)
    more = {} if of.context_tokens is None else {"context_tokens": of.context_tokens}
    changes = {"endpoint": endpoint, "preset": of.preset, "memories": "full", "way": "direct", **more}
    return like.model_copy(update=changes)


@contextmanager
def _served(road: Road) -> Iterator[str]:
    """Make the policy answer: an adapter on its servers, full weights on theirs or on one for the evaluation only."""
    wanted = spec(road)
    if wanted.kind == "full" and _serves(wanted):
        yield wanted.replicas[0]
        return
    if wanted.kind == "lora":
        asyncio.run(servers.load(wanted))
        asyncio.run(servers.warm(wanted))
        yield wanted.replicas[0]
        return
    context = wanted.context_tokens or road.build.prompt.context_tokens
    log = road.work / "logs" / "vllm.log"
    with run_vllm(
        road.weights, python=SERVE_PYTHON, log=log, name=wanted.served_name, context_tokens=context, ready_within_s=1800
    ) as server:
        yield server.base_url


# ---------------------------------------------------------------- register and let answer


def _register_inputs(road: Road) -> Inputs:
    rollout = road.config.rollout
    return {"weights": road.output("train", "sha256"), "servers": digest([*rollout.servers, rollout.api_key_env])}


def _register(road: Road, _key: str) -> dict[str, Any]:
    wanted = spec(road)
    known = _policy_of(road, wanted.version)
    if known is None:
        file = road.work / f"{wanted.version}.json"
        file.write_text(wanted.model_dump_json(indent=2) + "\n", encoding="utf-8")
        road.run("register", ATTUNE, "policies", "register", str(file))
    elif spec_of(known).replicas != wanted.replicas:
        raise ConfigError(
            f"{wanted.version} is registered on {', '.join(spec_of(known).replicas)}: name these as rollout.servers, "
            "or set another rollout.prefix"
        )
    return {"version": wanted.version}


def _register_gone(road: Road, outputs: dict[str, Any]) -> str | None:
    return None if _policy_of(road, outputs["version"]) else f"this ledger knows no {outputs['version']}"


def _policy_of(road: Road, version: str) -> Policy | None:
    async def ask(ledger: Ledger) -> Policy | None:
        try:
            return await ledger.policies.get(version)
        except NotFoundError:
            return None

    return road.with_ledger(ask)


def _canary_inputs(road: Road) -> Inputs:
    return {
        "version": road.output("register", "version"),
        "evaluation": file_sha256(Path(road.output("evaluate", "gate"))),
        "share": str(road.config.rollout.canary_percent),
    }


def _canary(road: Road, _key: str) -> dict[str, Any]:
    version, percent = road.output("register", "version"), road.config.rollout.canary_percent
    wanted = spec(road)
    if wanted.kind == "full" and not _serves(wanted):
        address = urlsplit(wanted.replicas[0])
        where = f"--host {address.hostname} --port {address.port}"
        raise NotYetError(
            f"{version} is full weights and needs its server: start attune serve-policy {version} {where}"
        )
    arguments = ["promote", version, "--evaluation", road.output("evaluate", "gate")]
    road.run("canary", TRAIN, *arguments, *(() if percent is None else ("--canary", f"{percent:g}")))
    found = _policy_of(road, version)
    return {"version": version, "stage": "" if found is None else found.stage}


def _activates(road: Road) -> bool:
    return road.config.rollout.activate and road.config.rollout.canary_percent is not None


def _activate_inputs(road: Road) -> Inputs:
    return {"version": road.output("canary", "version")}


def _activate(road: Road, _key: str) -> dict[str, Any]:
    version = road.output("canary", "version")

    async def closed(ledger: Ledger) -> tuple[str, list[str]]:
        overview = await Registry(ledger, road.attune).overview()
        one = next(one for one in overview if one.policy.version == version)
        return one.policy.stage, [f"{shut.gate}: {shut.reason}" for shut in one.closed]

    stage, shut = road.with_ledger(closed)
    if stage not in ("canary", "live"):
        raise NotYetError(f"{version} is {stage} and no canary any more: see attune policies show {version}")
    if shut:
        raise NotYetError(f"{version} may not answer everybody yet: {'; '.join(shut)}")
    if stage == "canary":
        road.run("activate", ATTUNE, "policies", "activate", version)
    return {"version": version, "stage": "live"}


POLICY_STEPS: tuple[Step, ...] = (
    Step("train", _train_inputs, _train, _train_gone, after=("build", "criteria", "judge-check")),
    Step("evaluate", _evaluate_inputs, _evaluate, after=("train",)),
    Step("register", _register_inputs, _register, _register_gone, after=("train",)),
    Step("canary", _canary_inputs, _canary, after=("evaluate", "register")),
    Step("activate", _activate_inputs, _activate, after=("canary",), wanted=_activates),
)
