"""The whole evaluation with the real vLLM as every policy, the judge and the writer; random weights measure nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.fakes.examples import examples
from tests.training.personaemp.test_dataset import write as write_set
from training.cli import app
from training.example import DIMENSIONS
from training.vllm_server import VllmServer

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

POLICIES = {
    "plain": 'memories = "none"',
    "memory": 'way = "summary"',
    "rag": 'way = "rag"',
    "full": 'preset = "full"',
}
QUESTIONS = 2


@pytest.fixture
def config(server: VllmServer, tmp_path: Path) -> Path:
    """An evaluation of four policies by two judges: under criteria of people, and under what random weights write."""
    write_set(tmp_path / "set", examples(40))
    people = tmp_path / "people.json"
    people.write_text(json.dumps({name: [["Stays with them", 60], ["Asks first", 40]] for name in DIMENSIONS}))

    def endpoint(tokens: int) -> str:
        return (
            f'{{ base_url = "{server.base_url}", model = "{server.model}", max_tokens = {tokens}, concurrency = 4,'
            " temperature = 1.0, retries = 1, reasks = 0, seeded = false }"
        )

    judging = f'rounds = 1\ntries = 4\ncalls = "all_in_one"\nendpoint = {endpoint(192)}\n'
    path = tmp_path / "evaluate.toml"
    path.write_text(
        f'dataset = "{tmp_path / "set"}"\nout = "{tmp_path / "out"}"\nsplits = ["test"]\nlimit = {QUESTIONS}\n'
        f'baseline = "plain"\ntraining_writer = "nobody"\n'
        f"[criteria]\ntries = 1\nendpoint = {endpoint(48)}\n"
        f'[judges.people]\ncriteria_file = "{people}"\n[judges.people.judge]\n{judging}'
        f"[judges.written.judge]\n{judging}"
        + "".join(f"[policies.{name}]\n{more}\nendpoint = {endpoint(24)}\n" for name, more in POLICIES.items()),
        encoding="utf-8",
    )
    return path


def test_the_whole_evaluation_runs_and_leaves_its_tables_and_pictures(config: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--config", str(config)])
    assert done.exit_code == 0, done.output
    out = tmp_path / "out"
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert {(one["judge"], one["policy"]) for one in report["results"]} == {
        (judge, policy) for judge in ("people", "written") for policy in POLICIES
    }
    for one in report["results"]:
        average = one["means"]["average"]
        assert (average["scored"] if average else 0) + sum(one["unscored"].values()) == one["questions"] == QUESTIONS
        assert average is None or 1 <= average["mean"] <= 5
        assert one["cost"]["calls"] == QUESTIONS * (2 if one["policy"] == "memory" else 1)
    with (out / "results.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 2 * len(POLICIES)
    assert done.stdout.strip() == (out / "results.md").read_text(encoding="utf-8").strip()
    for name in ("results", "groups", "ablations"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_emobench_is_measured_by_its_command(config: Path, tmp_path: Path) -> None:
    item = {"language": "en", "scenario": "The last bus left.", "subject": "Ana", "question type": "Action"}
    choices = {"choices": ["Wait", "Walk"], "label": "Walk"}
    emotions = {"emotion_choices": ["Joy", "Anger"], "emotion_label": "Anger", "cause_choices": ["A bus", "A cat"]}
    eu = [{**item, **emotions, "cause_label": "A bus", "qid": str(n)} for n in range(2)]
    (tmp_path / "EA.jsonl").write_text("\n".join(json.dumps({**item, **choices, "qid": str(n)}) for n in range(3)))
    (tmp_path / "EU.jsonl").write_text("\n".join(map(json.dumps, eu)))
    command = ["bench", "emobench", "--data", str(tmp_path), "--config", str(config), "--policy", "plain"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["plain EU", "plain EA"]
    assert "0 unanswered" in done.stdout
