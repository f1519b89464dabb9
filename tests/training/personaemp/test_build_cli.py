"""The commands as somebody who builds from their ledger types them."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from assistant.config import load_config
from memory.ledger.ledger import Ledger
from tests.fakes.agreeing import somebody_who_agrees
from tests.fakes.builder_server import ScriptedBuilder
from tests.fakes.sessions import write_sessions
from training.cli import app

PEOPLE = 4


async def people_who_agree() -> list[str]:
    """Put people with conversations and facts into the ledger of the environment."""
    found = []
    async with Ledger.open(load_config(None).memory_config) as ledger:
        for number in range(PEOPLE):
            found.append(await somebody_who_agrees(ledger, number, datetime(2026, 5, 1, tzinfo=UTC)))
    return found


async def withdraw(person: str) -> None:
    async with Ledger.open(load_config(None).memory_config) as ledger:
        await ledger.settings.update(person, training=False)


def configured(directory: Path, base_url: str, sources: str = "ledger = true") -> Path:
    path = directory / "dataset.toml"
    path.write_text(
        f'out = "{directory / "set"}"\n[sources]\n{sources}\n'
        f'[builder]\nbase_url = "{base_url}"\nmodel = "scripted"\nconcurrency = 8\n'
        "[stages]\nsituations = 1\nreal_queries = 1\n"
        "[split]\ntest_share = 0.4\nmin_test_people = 1\nood = false\n",
        encoding="utf-8",
    )
    return path


async def typed(*words: str | Path) -> Result:
    """Run `attune-train data …` in a thread, so that the scripted server answers meanwhile."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["data", *map(str, words)])


async def test_a_ledgers_people_are_built_looked_at_taken_back_and_built_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_HOME", str(tmp_path / "home"))
    first, *_ = await people_who_agree()
    async with ScriptedBuilder() as server:
        config, out = configured(tmp_path, server.base_url), tmp_path / "set"
        estimated = await typed("build", "--config", config, "--dry-run")
        assert estimated.exit_code == 0, estimated.output
        assert f"{PEOPLE} people of the ledger agreed: 8 calls each at most, {8 * PEOPLE} in all" in estimated.stdout
        assert server.chats == [] and not out.exists()

        built = await typed("build", "--config", config)
        assert built.exit_code == 0, built.output
        assert f"{2 * PEOPLE} rows of {PEOPLE} people" in built.stdout
        shown = await typed("inspect", out, "--rows", "1", "--seed", "3", "--prompt")
        assert shown.exit_code == 0 and "[user]" in shown.stdout and "They worry easily" in shown.stdout
        assert (await typed("check", out)).exit_code == 0

        await withdraw(first)
        refused = await typed("check", out)
        assert refused.exit_code == 1 and f"of its {2 * PEOPLE} rows 2 withdrawn" in refused.stderr
        assert (await typed("build", "--config", config)).exit_code == 1, "what stands there is not overwritten"

        shutil.rmtree(out)
        asked = sum(server.asked.values())
        rebuilt = await typed("build", "--config", config, "--json")
        assert rebuilt.exit_code == 0, rebuilt.output
        figures = json.loads(rebuilt.stdout)
        assert (figures["people"], figures["rows"]) == (PEOPLE - 1, 2 * (PEOPLE - 1))
        assert sum(server.asked.values()) == asked, "what is left of it was answered before"
        assert (await typed("check", out)).exit_code == 0


async def test_a_limit_below_what_a_data_set_needs_is_told_before_anybody_is_asked(tmp_path: Path) -> None:
    async with ScriptedBuilder() as server:
        sources = f'alpsbench = "{write_sessions(tmp_path / "sessions.jsonl", 5)}"'
        config = configured(tmp_path, server.base_url, sources)
        for more in ((), ("--dry-run",)):
            done = await typed("build", "--config", config, "--limit", "2", *more)
            assert done.exit_code == 1 and "2 records are no data set: it needs 3 people" in done.stderr
        assert server.requests == [] and not (tmp_path / "set.work").exists()
        estimated = await typed("build", "--config", config, "--limit", "4", "--dry-run", "--json")
    figures = json.loads(estimated.stdout)
    assert (figures["records"], figures["selected"], figures["ledger_people"]) == (4, 4, 0)
    assert figures["calls"] == 4 * 8
