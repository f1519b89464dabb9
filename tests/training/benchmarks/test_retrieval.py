import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from training.benchmarks.lines import BadLine
from training.benchmarks.retrieval import Question, Ranked, read
from training.cli import app
from training.kinds import kind_of

FACTS = [
    "Works as a nurse on night shifts",
    "Has a dog called Biscuit",
    "Is allergic to peanuts",
    "Lives in Lisbon with two flatmates",
    "Wants to run a marathon next spring",
    "Dislikes loud restaurants",
]


def memory(value: str, label: str = "Preferences/Taste") -> dict[str, str]:
    return {"memory_id": "m1", "value": value, "label": label}


def record(query: str = "How is Biscuit, my dog?", right: str = FACTS[1], **changes: Any) -> dict[str, Any]:
    asked = {"query": query, "selected": memory(right), "candidates": [memory(one) for one in FACTS], **changes}
    return {"session_id": "s1", "retrieval": asked}


def written(path: Path, *records: Any) -> Path:
    lines = "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in records).encode()
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def test_the_right_memory_is_found_and_the_three_ways_stand_side_by_side(tmp_path: Path) -> None:
    asked = [
        record(),
        record("I found peanuts in my lunch", FACTS[2]),
        record("My night shifts as a nurse wear me out", FACTS[0]),
    ]
    file = written(tmp_path / "records.jsonl.gz", *asked, "oops")
    run = CliRunner().invoke(app, ["bench", "retrieval", "--input", str(file), "--json"])
    assert run.exit_code == 0, run.stderr
    assert f"{file}:4: left out: not JSON" in run.stderr
    assert "3/3 records" in run.stderr and "a second" in run.stderr and "s left" in run.stderr
    found = json.loads(run.stdout)
    assert found["n"] == 3
    for way in ("attune", "dense", "bm25"):
        assert set(found[way]) == {"r1", "r3", "r5", "r10", "mrr", "p50_ms", "p95_ms"}
        assert found[way]["r1"] == found[way]["mrr"] == 1.0
        assert 0 < found[way]["p50_ms"] <= found[way]["p95_ms"]


def test_equal_candidates_are_one_fact_and_a_table_can_be_read(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", record(candidates=[memory(one) for one in [*FACTS, *FACTS]]))
    run = CliRunner().invoke(app, ["bench", "retrieval", "--input", str(file)])
    assert run.exit_code == 0, run.stderr
    assert "1 questions" in run.stdout
    assert [line.split()[:2] for line in run.stdout.splitlines()[3:]] == [
        [way, "1.000"] for way in ("attune", "dense", "bm25")
    ]


def test_shares_and_reciprocal_ranks_are_added_up() -> None:
    numbers = Ranked((1, 2, 4, 20, None), (1.0, 2.0, 3.0, 4.0, 5.0)).as_dict()
    assert [numbers[name] for name in ("r1", "r3", "r5", "r10")] == [0.2, 0.4, 0.6, 0.6]
    assert numbers["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 20) / 5)
    assert [numbers["p50_ms"], numbers["p95_ms"]] == pytest.approx([3.0, 4.8])


def test_rejected_candidates_are_left_out(tmp_path: Path) -> None:
    rejected = memory("Is a dragon [ERROR: role play]")
    (question,) = read(written(tmp_path / "a.jsonl", record(candidates=[rejected, *map(memory, FACTS)])))
    assert isinstance(question, Question)
    assert [one.value for one in question.candidates] == FACTS
    assert question.right == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"session_id": "s1"}, 'no "retrieval"'),
        (record(query=" "), "no query"),
        (record(selected=None), "a memory without a value"),
        (record(candidates=None), "no list of memories"),
        (record(candidates=[{}]), "a memory without a value"),
        (record(right="Has a cat"), "its right memory is not among the candidates"),
        (record(right="Is a dragon [ERROR: role play]"), "its right memory is a rejected one"),
    ],
)
def test_a_bad_line_is_named_by_number(tmp_path: Path, bad: Any, reason: str) -> None:
    _, found = read(written(tmp_path / "a.jsonl", record(), bad))
    assert found == BadLine(2, reason)


@pytest.mark.parametrize("command", ["retrieval", "memory-update"])
@pytest.mark.parametrize("content", [None, "", "oops\n"])
def test_a_file_without_a_usable_record_fails_with_its_name(tmp_path: Path, command: str, content: str | None) -> None:
    file = tmp_path / "records.jsonl"
    if content is not None:
        file.write_text(content)
    run = CliRunner().invoke(app, ["bench", command, "--input", str(file)])
    assert run.exit_code == 1
    assert str(file) in run.stderr
    assert run.stdout == ""


def test_labels_are_kinds() -> None:
    assert [kind_of(label).value for label in ("Plans/Goal", "Personal_Background/Identity", "UNMAPPED", None)] == [
        "goal",
        "identity",
        "other",
        "other",
    ]
