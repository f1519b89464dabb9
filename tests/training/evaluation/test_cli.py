"""The command as it is typed, against scripted servers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.fakes.examples import examples
from tests.fakes.judging import grading
from tests.fakes.scripted_answers import Scripted, reply
from tests.fakes.scripted_server import Recorded, ScriptedServer
from tests.training.personaemp.test_dataset import write as write_set
from training.cli import app
from training.example import DIMENSIONS


def configured(tmp_path: Path, base_url: str) -> Path:
    write_set(tmp_path / "set", examples(40))
    people = tmp_path / "people.json"
    people.write_text(json.dumps({name: [["Stays with them", 60], ["Asks first", 40]] for name in DIMENSIONS}))
    at = f'base_url = "{base_url}", retries = 0'
    path = tmp_path / "evaluate.toml"
    path.write_text(
        f'dataset = "{tmp_path / "set"}"\nout = "{tmp_path / "out"}"\n'
        'splits = ["test"]\nlimit = 3\nbaseline = "plain"\n'
        f'[judges.people]\ncriteria_file = "{people}"\n'
        f'[judges.people.judge]\nrounds = 1\nendpoint = {{ {at}, model = "judge" }}\n'
        f'[policies.plain]\nmemories = "none"\nendpoint = {{ {at}, model = "base" }}\n'
        f'[policies.full]\npreset = "full"\nendpoint = {{ {at}, model = "good" }}\n',
        encoding="utf-8",
    )
    return path


def both(request: Recorded) -> Scripted:
    if request.json["model"] == "judge":
        return grading(lambda said, _name: 1.0 if "good" in said else 0.6)(request)
    return reply(f"A {request.json['model']} reply.", usage=(50, 10))


async def test_the_command_prints_its_tables_and_writes_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_HOME", str(tmp_path / "home"))
    async with ScriptedServer(default=both, models=("base", "good", "judge")) as server:
        command = ["evaluate", "--config", str(configured(tmp_path, server.base_url))]
        done = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert done.exit_code == 0, done.output
    out = tmp_path / "out"
    assert done.stdout.strip() == (out / "results.md").read_text(encoding="utf-8").strip()
    assert "| people | test | full | 5.00" in done.stdout and "| 2.00 [2.00, 2.00] |" in done.stdout
    assert "3/3 test: full replies" in done.stderr
    for name in ("report.json", "results.csv", "groups.csv", "results.png", "groups.png", "ablations.png"):
        assert (out / name).stat().st_size > 0


def test_a_server_that_is_not_there_ends_the_command_with_the_repair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_HOME", str(tmp_path / "home"))
    config = configured(tmp_path, "http://127.0.0.1:9/v1")
    done = CliRunner().invoke(app, ["evaluate", "--config", str(config)])
    assert done.exit_code == 2 and "start the model server" in done.stderr
    assert not (tmp_path / "out" / "report.json").exists()
