"""The road of retraining up to the criteria: real ledger, real commands, a scripted server for the models."""

from __future__ import annotations

import asyncio
import configparser
import json
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock

from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger
from memory.types import Evidence, Kind, NewFact
from tests.fakes import road
from tests.fakes.road_server import ScriptedRoad
from training.errors import ConfigError
from training.grpo_config import load_grpo_config
from training.personaemp.manifest import read_manifest
from training.retrain import Retrained, plan, retrain
from training.retraining.config import load_retrain_config
from training.retraining.estimate import shares
from training.retraining.journal import Entry, Journal
from training.retraining.report import plan_page, round_page
from training.retraining.road import Road
from training.retraining.steps import STEPS

CONFIGS = Path(__file__).parents[2] / "configs"
AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedRoad]:
    async with ScriptedRoad(lambda *_: 0.5, models=("scripted", "another")) as server:
        yield server


@pytest.fixture
async def config(tmp_path: Path, server: ScriptedRoad) -> Path:
    """A road over a ledger with nine people, of whom eight agreed."""
    run = load_grpo_config(CONFIGS / "grpo-smoke.yaml").model_dump(mode="json")
    path = road.write(tmp_path, server.base_url, run, "http://127.0.0.1:9/v1")
    async with Ledger.open(MemoryConfig(home=tmp_path / "home")) as ledger:
        for number, said in enumerate(road.HISTORIES):
            person = (await ledger.users.create(f"person-{number}")).id
            await ledger.settings.update(person, training=number > 0)
            conversation = await ledger.conversations.create(person)
            for text in said:
                message = (await ledger.messages.append(person, conversation.id, "user", text)).message
            evidence = (Evidence(message.id, said[1]),)
            await ledger.facts.add(person, NewFact(said[0], Kind.RELATIONSHIP, 0.9, "stated", evidence, AT))
    return path


async def walk(config: Path, until: str) -> Retrained:
    return await asyncio.to_thread(retrain, load_retrain_config(config), until=until)


def ran(done: Retrained) -> list[bool]:
    return [one.runs for one in done.decisions]


def test_the_road_of_the_project_is_read_and_names_its_command() -> None:
    load_retrain_config(CONFIGS / "retrain.toml")
    said = (CONFIGS / "retrain.toml").read_text(encoding="utf-8")
    assert "Use with: attune-train retrain --config configs/retrain.toml" in said


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    file = tmp_path / "retrain.toml"
    file.write_text((CONFIGS / "retrain.toml").read_text(encoding="utf-8") + "[rolout]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"retrain\.toml.*rolout"):
        load_retrain_config(file)


async def test_a_dry_run_says_what_it_would_take_and_writes_nothing(config: Path, tmp_path: Path) -> None:
    decisions, found = await asyncio.to_thread(plan, load_retrain_config(config))
    runs = {one.step.name: one.runs for one in decisions}
    assert runs == {step.name: step.name != "activate" for step in STEPS}
    taken, assumed = await asyncio.to_thread(shares, found, frozenset(runs))
    calls = {share.step: share.calls for share in taken}
    # Two steps of two prompts with four replies, each judged by one call for all dimensions and one outsider.
    assert calls["train"] == 2 * 2 * 4 * 2
    # Sixteen rows at most, three dimensions, two rulers each.
    assert calls["criteria"] == 16 * 3 * 2
    page = plan_page(decisions, taken, assumed)
    assert "2 steps of 180 s (assumed.seconds_per_step) on the CPU" in page
    assert "| build | runs | not done yet |" in page
    assert not (tmp_path / "work").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_step_is_done_again_only_when_what_it_rests_on_changed(
    config: Path, tmp_path: Path, server: ScriptedRoad
) -> None:
    done = await walk(config, "criteria")
    assert ran(done) == [True, True]
    assert read_manifest(done.road.data).people == 8
    assert "8 agreed, 8 exported" in round_page(done)
    asked = len(server.chats)
    again = await walk(config, "criteria")
    assert ran(again) == [False, False], [one.why for one in again.decisions]

    # Killed after the work and before it was written down: what lies there is taken up.
    journal = Journal.open(tmp_path / "work/journal.json")
    del journal.entries["build"], journal.entries["criteria"]
    journal.note("x", Entry({}, {}, "", 0.0))
    assert ran(await walk(config, "criteria")) == [True, True]
    assert len(server.chats) == asked, "no finished call is repeated"

    async with Ledger.open(MemoryConfig(home=tmp_path / "home")) as ledger:
        [person, *_] = [one async for one in ledger.settings.consenting("training")]
        await ledger.settings.update(person, training=False)
    fewer = await walk(config, "build")
    assert [one.why for one in fewer.decisions] == ["changed: what people hold"]
    assert read_manifest(fewer.road.data).people == 7
    assert sorted(one.name for one in (tmp_path / "work").glob("data-*")) == sorted(
        [fewer.road.data.name, f"{fewer.road.data.name}.work"]
    ), "the data set before it is gone"


async def test_what_a_killed_retraining_left_running_is_ended_first(config: Path, tmp_path: Path) -> None:
    found = Road.open(load_retrain_config(config), Journal.open(tmp_path / "journal.json"))
    (found.work / "logs").mkdir(parents=True)
    asleep = (sys.executable, "-c", "import time; time.sleep(3600)", "training.cli")
    left = await asyncio.create_subprocess_exec(*asleep)
    (found.work / "logs/look.pid").write_text(str(left.pid), encoding="utf-8")
    said = await asyncio.to_thread(found.run, "look", "training.cli", "retrain", "--help")
    assert "--dry-run" in said
    assert await left.wait() == -signal.SIGTERM
    assert not (found.work / "logs/look.pid").exists()


async def test_two_rounds_do_not_work_in_one_place(config: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with FileLock(tmp_path / "work/lock"), pytest.raises(ConfigError, match="another retraining"):
        await walk(config, "build")


def test_the_journal_says_what_changed(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    journal = Journal.open(path)
    assert journal.why_again("train", {"rows": "1"}) == "not done yet"
    journal.note("train", Entry({"rows": "1", "judge": "2"}, {"weights": "w"}, "2026-01-01", 3.0))
    kept = Journal.open(path)
    assert kept.entries == journal.entries
    assert kept.why_again("train", {"rows": "1", "judge": "2"}) is None
    assert kept.why_again("train", {"rows": "2", "judge": "2"}) == "changed: rows"
    assert kept.why_again("train", {"rows": "1"}) == "changed: judge"


@pytest.mark.parametrize("content", ["", "{}", '{"steps": []}', '{"steps": {"build": {"at": 1}}}', "\udcff"])
def test_a_damaged_journal_is_said(tmp_path: Path, content: str) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match="no journal"):
        Journal.open(path)


def test_a_journal_is_plain_json(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal.json")
    journal.note("build", Entry({"a": "b"}, {"rows": 3}, "2026-01-01", 1.0))
    told = json.loads((tmp_path / "journal.json").read_text(encoding="utf-8"))
    assert told["steps"]["build"]["outputs"] == {"rows": 3}


def test_the_units_run_the_command_and_the_timer_runs_the_unit() -> None:
    unit, timer = (configparser.ConfigParser(strict=False, interpolation=None) for _ in range(2))
    unit.read(CONFIGS / "deploy/attune-retrain.service")
    timer.read(CONFIGS / "deploy/attune-retrain.timer")
    assert unit["Service"]["ExecStart"].endswith("attune-train retrain --config configs/retrain.toml")
    assert unit["Service"]["Type"] == "oneshot", "a round that takes hours is no service that failed to start"
    assert timer["Timer"]["OnCalendar"] and timer["Install"]["WantedBy"] == "timers.target"
