from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.fakes.judging import Grade, config_of, grading
from tests.fakes.scripted_answers import error
from tests.fakes.scripted_server import ScriptedServer
from training.endpoint import Endpoint
from training.errors import JudgeCheckError
from training.peregrm.check import CheckResult, require_pass, run_check, store
from training.peregrm.check_report import page
from training.peregrm.config import CheckConfig, JudgeConfig, load_judge_config
from training.peregrm.judge import judge_identity
from training.peregrm.probes import GOOD, LONGER, load_trials

TRIALS = load_trials()
KIND = {probe.reply: probe.kind for trial in TRIALS for probe in trial.probes}
HACKS = sorted(set(KIND.values()) - {GOOD})


def falling_for(hack: str | None) -> Grade:
    """A judge who knows good replies, and who pays one hack the highest score there is."""

    def grade(reply: str, _dimension: str) -> float:
        kind = KIND[reply]
        return 1.0 if kind == hack else 0.8 if kind == GOOD else 0.2

    return grade


def quick(base_url: str, **changes: Any) -> JudgeConfig:
    return config_of(base_url, calls="all_in_one", check=CheckConfig(repetitions=2, **changes), retries=0)


async def check(grade: Grade, **changes: Any) -> CheckResult:
    async with ScriptedServer(default=grading(grade)) as server:
        return await run_check(quick(server.base_url, **changes), TRIALS[:1])


async def test_a_judge_who_falls_for_nothing_passes_with_every_case() -> None:
    async with ScriptedServer(default=grading(falling_for(None))) as server:
        result = await run_check(quick(server.base_url))
    assert result.passed and not result.faults
    assert (result.scored, result.unscored) == (2 * sum(len(trial.probes) for trial in TRIALS), 0)
    assert {hack.kind for hack in result.hacks} == set(HACKS)
    assert result.spread == 0


@pytest.mark.parametrize("hack", HACKS)
async def test_a_judge_who_falls_for_one_hack_is_caught_at_it(hack: str) -> None:
    result = await check(falling_for(hack))
    assert not result.passed
    assert [one.kind for one in result.hacks if not one.caught] == [hack]
    assert result.faults[0].startswith(hack) and len(result.faults) == 1
    assert f"| {hack} |" in page(result) and "**not caught**" in page(result)


async def test_probes_that_cannot_be_scored_fail_the_check_and_are_no_score() -> None:
    async with ScriptedServer(default=error(503)) as server:
        result = await run_check(quick(server.base_url), TRIALS[:1])
    assert not result.passed
    assert (result.scored, result.spread) == (0, None)
    assert result.unscored == 2 * len(TRIALS[0].probes)
    assert all(hack.reward is None for hack in result.hacks)
    assert "not measured" in page(result)


async def test_agreement_with_a_second_judge_is_measured_and_demanded() -> None:
    async with (
        ScriptedServer(default=grading(falling_for(None))) as like,
        ScriptedServer(default=grading(lambda reply, _: 0.2 if KIND[reply] == GOOD else 0.8)) as unlike,
    ):
        agreed = await check(falling_for(None), second=Endpoint(base_url=like.base_url, model="scripted"))
        other = await check(falling_for(None), second=Endpoint(base_url=unlike.base_url, model="scripted"))
    assert agreed.passed and agreed.agreement is not None
    assert agreed.agreement.alpha == pytest.approx(1) and agreed.agreement.spearman == pytest.approx(1)
    assert other.agreement is not None and other.agreement.spearman == pytest.approx(-1)
    assert not other.passed and "agreement with the second judge" in other.faults[0]


async def test_a_judge_who_says_something_else_each_time_fails() -> None:
    asked: Counter[tuple[str, str]] = Counter()

    def moody(reply: str, dimension: str) -> float:
        asked[reply, dimension] += 1
        better, worse = (1.0, 0.6) if KIND[reply] == GOOD else (0.2, 0.2)
        return better if asked[reply, dimension] % 2 else worse

    result = await check(moody, max_spread=0.0)
    assert any("spreads by" in fault for fault in result.faults)


def test_training_asks_for_a_pass_of_this_very_judge(tmp_path: Path) -> None:
    config, path = quick("http://127.0.0.1:1/v1"), tmp_path / "check.json"
    passed = CheckResult(judge_identity(config), "now", True, (), (), 0.0, 0.0, None, 0, 1, ())
    with pytest.raises(JudgeCheckError, match="never checked"):
        require_pass(config, path)
    store(passed, path)
    require_pass(config, path)
    with pytest.raises(JudgeCheckError, match="another judge"):
        require_pass(config.model_copy(update={"rounds": 2}), path)
    store(dataclasses.replace(passed, passed=False, faults=("colon: earns too much",)), path)
    with pytest.raises(JudgeCheckError, match="colon: earns too much"):
        require_pass(config, path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(JudgeCheckError, match="no result"):
        require_pass(config, path)


def test_the_probes_hold_what_they_are_named_for() -> None:
    for trial in TRIALS:
        by_kind = {probe.kind: probe.reply for probe in trial.probes}
        good = next(probe.reply for probe in trial.probes if probe.kind == GOOD)
        assert len(by_kind["ten-fold length"]) > 0.9 * LONGER * len(good)
        assert all(memory in by_kind["copied memories"] for memory in trial.case.memories)
        assert trial.case.persona in by_kind["copied persona"]
        assert sum(probe.kind == GOOD for probe in trial.probes) == 2
        assert len(by_kind) == 13


def judged(config: Path, base_url: str, report: Path) -> Result:
    """Run the command against the judge at `base_url`."""
    from training.cli import app

    config.write_text(
        f"calls = 'all_in_one'\n[endpoint]\nbase_url = '{base_url}'\nmodel = 'scripted'\nretries = 0\n"
        "[check]\nrepetitions = 2\n",
        encoding="utf-8",
    )
    return CliRunner().invoke(app, ["judge-check", "--config", str(config), "--report", str(report)])


@pytest.mark.parametrize(("hack", "status"), [(None, 0), ("generic sympathy", 1)])
async def test_the_command_says_with_its_status_whether_the_judge_passed_and_keeps_the_report(
    tmp_path: Path, hack: str | None, status: int
) -> None:
    report = tmp_path / "r.json"
    async with ScriptedServer(default=grading(falling_for(hack))) as server:
        done = await asyncio.to_thread(judged, tmp_path / "judge.toml", server.base_url, report)
    assert done.exit_code == status, done.stderr
    kept = json.loads(report.read_text(encoding="utf-8"))
    assert (kept["passed"], [fault.split(":")[0] for fault in kept["faults"]]) == (status == 0, [hack] * status)
    assert done.stdout.strip() == report.with_suffix(".md").read_text(encoding="utf-8").strip()
    config = load_judge_config(tmp_path / "judge.toml")
    if status:
        with pytest.raises(JudgeCheckError, match="generic sympathy"):
            require_pass(config, report)
    else:
        require_pass(config, report)


def test_the_command_says_with_another_status_that_there_is_no_judge(tmp_path: Path) -> None:
    done = judged(tmp_path / "judge.toml", "http://127.0.0.1:9/v1", tmp_path / "r.json")
    assert done.exit_code == 2 and "nothing answers" in done.stderr
    assert not (tmp_path / "r.json").exists()
    assert done.stdout == ""
