"""From what people hold to rows with rulers, and the judge: build, criteria, judge-check."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from memory.ledger.ledger import Ledger
from training.errors import ConfigError, TrainingError
from training.peregrm.check import require_pass
from training.peregrm.criteria import writer_identity
from training.peregrm.judge import judge_identity
from training.peregrm.rubric import load_rubric
from training.personaemp.check import check_dataset
from training.personaemp.manifest import MANIFEST, file_sha256, read_manifest
from training.personaemp.pipeline import STAGES
from training.retraining.journal import Inputs, digest
from training.retraining.road import Road
from training.retraining.step import TRAIN, Step


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


DATA_STEPS: tuple[Step, ...] = (
    Step("build", _build_inputs, _build, _data_gone),
    Step("criteria", _criteria_inputs, _criteria, _criteria_gone, after=("build",), wanted=_writes_criteria),
    Step("judge-check", _judge_inputs, _judge, _judge_gone),
)
