import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from memory.errors import ImportFileError
from training.personaemp.record import Record, Skipped
from training.personaemp.sources.alpsbench import read_alpsbench


def session(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "session_id": name,
        "dialogue": [{"role": "user", "text": "I keep bees."}, {"role": "assistant", "text": "Bees!"}],
        "memories": [
            {
                "memory_id": "m1",
                "label": "Possessions/Pet",
                "value": "Keeps bees",
                "evidence": {"utterance_index": 0, "text": "I keep bees."},
                "confidence": 0.9,
            }
        ],
    } | changes


def written(path: Path, *lines: object) -> Path:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def records(path: Path) -> list[Record]:
    return [item for item in read_alpsbench(path) if isinstance(item, Record)]


def skipped(path: Path) -> list[tuple[str, str]]:
    return [(item.where, item.reason) for item in read_alpsbench(path) if isinstance(item, Skipped)]


def test_a_session_is_a_person_with_turns_and_memories(tmp_path: Path) -> None:
    (record,) = records(
        written(tmp_path / "a.jsonl.gz", session("s1", intents=[{"category": "Advice", "subtype": "x"}]))
    )
    assert [(turn.role, turn.text) for turn in record.turns] == [("user", "I keep bees."), ("assistant", "Bees!")]
    (memory,) = record.memories
    assert (memory.text, memory.label, memory.message_ids, memory.error) == (
        "Keeps bees",
        "Possessions/Pet",
        ("t0",),
        False,
    )
    assert record.intents == ("Advice", "x") and record.where == "a.jsonl.gz:1" and "s1" not in record.person


def test_the_form_of_the_whole_release_is_read_too(tmp_path: Path) -> None:
    whole = session("s1")
    intents = [{"intent_category": "Advice", "intent_subtype": "Career Advice", "reasoning": "because"}]
    other = {
        "user_id": "unknown",
        "sessions": [{"session_id": "s1", "turns": whole["dialogue"]}],
        "memory_items": whole["memories"],
        "intents_ranked": intents,
    }
    (one,), (two,) = (records(written(tmp_path / name, value)) for name, value in (("a", whole), ("b", other)))
    assert (one.turns, one.memories, one.person) == (two.turns, two.memories, two.person)
    assert two.intents == ("Advice", "Career Advice")


def test_a_rejected_memory_is_kept_and_flagged(tmp_path: Path) -> None:
    memories = [
        {"memory_id": "m1", "value": "[ERROR: not in the text] Keeps cats"},
        {"memory_id": "m1", "value": "Bees"},
    ]
    (record,) = records(written(tmp_path / "a.jsonl", session("s1", memories=memories)))
    assert [(one.id, one.error) for one in record.memories] == [("m1", True), ("m1-1", False)]
    assert [one.text for one in record.known()] == ["Bees"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        (session("s2", session_id=None), "no session_id"),
        (session("s2", dialogue=None), "no dialogue"),
        (session("s2", dialogue=[]), "no dialogue"),
        (session("s2", dialogue=["hello"]), "turn 0 of the dialogue has no role or no text"),
        (session("s2", dialogue=[{"role": [], "text": "x"}]), "turn 0 of the dialogue has no role or no text"),
        (session("s2", dialogue=[{"role": "user", "text": " "}]), "nobody says anything in the dialogue"),
        (session("s1"), "the same session as an earlier line"),
    ],
)
def test_a_bad_line_is_said_by_its_number_and_the_rest_goes_on(tmp_path: Path, line: object, reason: str) -> None:
    path = written(tmp_path / "a.jsonl", session("s1"), line, session("s3"))
    assert skipped(path) == [("a.jsonl:2", reason)]
    assert len(records(path)) == 2


def test_memories_with_missing_fields_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    memories = [{}, "bees", {"value": 3}, {"value": "Keeps bees", "evidence": None, "confidence": "high"}]
    path = written(tmp_path / "a.jsonl", session("s1", memories=memories), session("s2", memories="none"))
    assert skipped(path) == [("a.jsonl:1", "a memory has no words")] * 3
    first, second = records(path)
    assert [(one.id, one.label, one.message_ids, one.confidence) for one in first.memories] == [("n3", "", (), 1.0)]
    assert second.memories == ()


def test_what_stands_before_the_damage_of_a_gzip_file_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl.gz", *(session(f"s{n}", note=str(hash(n)) * 50) for n in range(2000)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found, problems = records(path), skipped(path)
    assert 0 < len(found) < 2000
    assert [reason for _, reason in problems] == [
        "the gzip file is damaged or cut off here; nothing after it can be read"
    ]


def test_a_turn_of_two_hundred_thousand_characters_is_read(tmp_path: Path) -> None:
    dialogue = [{"role": "user", "text": "bees " * 40_000}, {"role": "assistant", "text": "蜜蜂 y abejas"}]
    (record,) = records(written(tmp_path / "a.jsonl", session("s1", dialogue=dialogue)))
    assert len(record.turns[0].text) == 200_000


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match=r"none\.jsonl"):
        list(read_alpsbench(tmp_path / "none.jsonl"))
