"""The steps of the road: for each what it depends on, how it is done, and when its result is no good any more."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from assistant.policies import Registry
from assistant.rollout import servers
from assistant.rollout.answering import spec_of
from assistant.rollout.description import spec_of_directory
from assistant.rollout.spec import CONFIGURED, PolicySpec, fingerprint
from assistant.rollout.vllm import SERVE_PYTHON
from memory.errors import NotFoundError
from memory.ledger.ledger import Ledger
from memory.ledger.policies import Policy
from training.describe import weights_of
from training.errors import ConfigError, EngineError, TrainingError
from training.evaluation.config import PolicyConfig
from training.grpo import newest_checkpoint
from training.peregrm.check import require_pass
from training.peregrm.criteria import writer_identity
from training.peregrm.judge import judge_identity
from training.peregrm.rubric import load_rubric
from training.personaemp.check import check_dataset
from training.personaemp.manifest import MANIFEST, file_sha256, read_manifest
from training.personaemp.pipeline import STAGES
from training.retraining.journal import Inputs, digest
from training.retraining.road import Road
from training.steps import read_steps
from training.vllm_server import run_vllm

TRAIN, ATTUNE = "training.cli", "assistant.cli"
CANDIDATE = "candidate"


class NotYetError(TrainingError):
    """A step has to wait for something that is not there yet; running the command again later goes on."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step."""

    name: str
    inputs: Callable[[Road], Inputs]
    """What it depends on."""
    do: Callable[[Road, str], dict[str, Any]]
    """Do it, given the hash of its inputs, and return what came of it."""
    gone: Callable[[Road, dict[str, Any]], str | None] = lambda _road, _outputs: None
    """Say why a result is no good any more."""
    after: tuple[str, ...] = ()
    """The steps whose results it takes."""
    wanted: Callable[[Road], bool] = lambda _road: True
    """Whether the configuration asks for it."""


# ---------------------------------------------------------------- data


def _build_inputs(road: Road) -> Inputs:
    sources = road.build.sources
    files = {name: path for name in ("alpsbench", "jsonl") if (path := getattr(sources, name)) is not None}
    return {
        "what people hold": "" if road.held is None else road.held.sha256,
        "data configuration": digest([road.build.settings(), sources.base_per_own, road.build.failures.model_dump()]),
        "prompts": digest([*(stage.prompt_hash for stage in STAGES), road.build.prompt.hash]),
        "writer of criteria": _writer(road),
        **{name: file_sha256(path) for name, path in files.items()},
    }


def _build(road: Road, key: str) -> dict[str, Any]:
    data = road.work / f"data-{key}"
    if data.exists() and _data_gone(road, {"data": data}) is not None:
        shutil.rmtree(data)  # cut off while criteria were written into it; the answers that made it are kept
    if not (data / MANIFEST).exists():
        road.run("build", TRAIN, "data", "build", "--config", str(road.config.data), "--out", str(data))
    _check(road, data)
    _remove_older(road, data)
    manifest = read_manifest(data)
    return {"data": str(data), "id": manifest.id, "rows": manifest.rows, "people": manifest.people}


def _data_gone(road: Road, outputs: dict[str, Any]) -> str | None:
    try:
        _check(road, Path(outputs["data"]))
    except TrainingError as error:
        return str(error)
    return None


def _check(road: Road, data: Path) -> None:
    async def check(ledger: Ledger) -> None:
        await check_dataset(data, ledger)

    road.with_ledger(check)


def _remove_older(road: Road, data: Path) -> None:
    """Remove the data sets before this one, and what was said in trainings on them: they hold people's words."""
    mine = {data, data.with_name(f"{data.name}.work")}
    for old in road.work.glob("data-*"):
        if old not in mine:
            shutil.rmtree(old)
    for said in (*road.work.glob("train-*/rollouts"), *road.work.glob("train-*/validation")):
        shutil.rmtree(said)


# ---------------------------------------------------------------- criteria and judge


def _writes_criteria(road: Road) -> bool:
    preset = load_rubric().presets[road.judge.preset]
    return road.judge.mode == "shared" and bool(preset.criteria)


def _writer(road: Road) -> str:
    if not _writes_criteria(road):
        return ""
    if road.judge.criteria is None:
        raise ConfigError(f"{road.config.judge} names nobody who writes criteria: set [criteria.endpoint]")
    return writer_identity(road.judge.criteria, road.judge.preset)


def _criteria_inputs(road: Road) -> Inputs:
    size = "" if road.judge.criteria is None else str(road.judge.criteria.size)
    return {"data": road.output("build", "id"), "writer": _writer(road), "size": size}


def _criteria(road: Road, _key: str) -> dict[str, Any]:
    judge = str(road.config.judge.absolute())
    road.run("criteria", TRAIN, "criteria", str(road.data), "--config", judge)
    return {"manifest": read_manifest(road.data).sha256()}


def _criteria_gone(road: Road, outputs: dict[str, Any]) -> str | None:
    same = read_manifest(road.data).sha256() == outputs["manifest"]
    return None if same else "the rows are other ones by now"


def _judge_inputs(road: Road) -> Inputs:
    return {"judge": judge_identity(road.judge), "demands": digest(road.judge.check.model_dump(mode="json"))}


def _judge(road: Road, _key: str) -> dict[str, Any]:
    accepted = road.grpo.attune.accept_failed_judge
    allowed = (0, 1) if accepted else (0,)
    road.run("judge-check", TRAIN, "judge-check", "--config", str(road.config.judge.absolute()), allowed=allowed)
    return {"report": str(road.judge.check.report.absolute()), "passed": _judge_gone(road, {}) is None}


def _judge_gone(road: Road, outputs: dict[str, Any]) -> str | None:
    try:
        require_pass(road.judge)
    except TrainingError as error:
        return None if outputs and road.grpo.attune.accept_failed_judge else str(error)
    return None


# ---------------------------------------------------------------- training


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
    """Describe the policy of this round as it is to be registered."""
    rollout, prompt = road.config.rollout, road.build.prompt
    found = spec_of_directory(road.weights, version=road.version, replica=rollout.servers[0])
    return found.model_copy(
        update={
            "replicas": rollout.servers,
            "api_key_env": rollout.api_key_env,
            "context_tokens": prompt.context_tokens,
            "max_tokens": prompt.max_reply_tokens,
        }
    )


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
    """Make the policy answer somewhere: an adapter on its servers, full weights on a server for the evaluation only."""
    wanted = spec(road)
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


STEPS: tuple[Step, ...] = (
    Step("build", _build_inputs, _build, _data_gone),
    Step("criteria", _criteria_inputs, _criteria, _criteria_gone, after=("build",), wanted=_writes_criteria),
    Step("judge-check", _judge_inputs, _judge, _judge_gone),
    Step("train", _train_inputs, _train, _train_gone, after=("build", "criteria", "judge-check")),
    Step("evaluate", _evaluate_inputs, _evaluate, after=("train",)),
    Step("register", _register_inputs, _register, _register_gone, after=("train",)),
    Step("canary", _canary_inputs, _canary, after=("evaluate", "register")),
    Step("activate", _activate_inputs, _activate, after=("canary",), wanted=_activates),
)
"""In their order; before them stands reading what people hold, which is done each time."""
