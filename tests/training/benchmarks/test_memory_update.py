import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.fakes.turns import Asked, ScriptedComplete
from training.benchmarks.lines import BadLine
from training.benchmarks.memories import open_memories
from training.benchmarks.memory_update import Case, Counts, measure, read
from training.cli import app

HOME, OLD_HOME, TEA = "I moved to Porto.", "I live in Lisbon.", "I like green tea."


def memories(*values: str) -> list[dict[str, str]]:
    return [{"value": value, "label": "Preferences/Taste"} for value in values]


def record(**changes: Any) -> dict[str, Any]:
    update = {
        "before": memories(OLD_HOME, TEA, "Is a dragon [ERROR: role play]"),
        "new_dialogue": [
            {"role": "user", "text": "My dog is called Biscuit."},
            {"role": "assistant", "text": "A good name."},
            {"role": "user", "text": HOME},
        ],
        "golden": memories(TEA, HOME, "Has a dog called Biscuit", "Plays the [ERROR: not said] oboe"),
        **changes,
    }
    return {"session_id": "s1", "update": update}


def written(path: Path, *records: Any) -> Path:
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in records))
    return path


def cases(path: Path) -> list[Case]:
    return [row for row in read(path) if isinstance(row, Case)]


def test_what_stands_what_changed_and_what_is_new_are_counted_by_rules(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", record(), "{}")
    run = CliRunner().invoke(app, ["bench", "memory-update", "--input", str(file), "--json"])
    assert run.exit_code == 0, run.stderr
    assert f'{file}:2: left out: no "update"' in run.stderr
    assert "1/1 records" in run.stderr
    found = json.loads(run.stdout)
    assert found.pop("seconds") > 0
    assert found == {
        "n": 1,
        "standing": 1,
        "wrongly_retired": 0,
        "wrongly_retired_rate": 0.0,
        "changed": 1,
        "superseded": 1,
        "superseded_rate": 1.0,
        "new": 2,
        "found": 2,
        "found_rate": 1.0,
        "learnt": 2,
        "by": "rules",
        "failed_jobs": 0,
    }


async def test_a_model_that_retires_what_stands_is_caught(tmp_path: Path) -> None:
    async def wrong(asked: Asked) -> str:
        lines = [json.loads(line) for line in asked.text.splitlines() if line.startswith('{"known"')]
        number = next(line["known"] for line in lines if line["text"] == TEA)
        fact = {"text": "I like green tea and cake.", "kind": "preference", "turn": 3, "quote": "moved"}
        whole = {**fact, "confidence": 0.9, "origin": "stated", "replaces": number}
        return json.dumps({"facts": [whole], "traits": [], "feeling": None})

    async with open_memories() as memories:
        result = await measure(cases(written(tmp_path / "a.jsonl", record())), memories, ScriptedComplete(wrong))
    assert (result.by, result.counts.wrongly_retired, result.counts.superseded) == ("model", 1, 0)
    assert result.as_dict()["wrongly_retired_rate"] == 1.0


async def test_reflections_that_fail_are_said(tmp_path: Path) -> None:
    async with open_memories() as memories:
        found = cases(written(tmp_path / "a.jsonl", record(), record()))
        result = await measure(found, memories, ScriptedComplete("null"))
        assert await memories.ledger.jobs.list() == []
    assert (result.failed_jobs, result.counts.n, result.counts.wrongly_retired, result.counts.learnt) == (2, 2, 0, 0)


async def test_a_crisis_turn_teaches_nothing(tmp_path: Path) -> None:
    async with open_memories() as memories:
        found = cases(written(tmp_path / "a.jsonl", record()))
        result = await measure(found, memories, screen=lambda text: "high" if text == HOME else "none")
    assert (result.counts.superseded, result.counts.learnt) == (0, 1)


def test_nothing_to_measure_has_no_share() -> None:
    assert Counts(n=1) + Counts(n=2, changed=1) == Counts(n=3, changed=1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"before": None}, "no list of memories"),
        ({"golden": [{"value": 3}]}, "a memory without a value"),
        ({"new_dialogue": []}, "no new_dialogue"),
        ({"new_dialogue": [{"role": "system", "text": "x"}]}, "a turn without a role, user or assistant, and a text"),
        ({"new_dialogue": ["hello"]}, "a turn without a role, user or assistant, and a text"),
    ],
)
def test_a_bad_line_is_named_by_number(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    _, found = read(written(tmp_path / "a.jsonl", record(), record(**changes)))
    assert found == BadLine(2, reason)
