import json
from pathlib import Path

import pytest

from training.personaemp.record import Record, Skipped
from training.personaemp.sources.jsonl import read_jsonl


def line(user: object, content: object, **more: object) -> str:
    return json.dumps({"user": user, "conversation": "c", "role": "user", "content": content} | more)


def read(path: Path, *lines: str, secret: str = "s") -> tuple[list[Record], list[tuple[str, str]]]:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    items = list(read_jsonl(path, secret))
    return (
        [item for item in items if isinstance(item, Record)],
        [(item.where, item.reason) for item in items if isinstance(item, Skipped)],
    )


def test_messages_become_people_in_whatever_order_they_stand(tmp_path: Path) -> None:
    people, problems = read(
        tmp_path / "a.jsonl",
        line("u1", "Second.", created_at="2026-05-02T10:00:00Z"),
        line("u2", "Other."),
        line("u1", "First.", created_at="2026-05-01T10:00:00+02:00"),
        line("u1", "Third.", created_at=1777800000, role="assistant"),
    )
    assert problems == []
    (one,) = [record for record in people if len(record.turns) == 3]
    assert [(turn.role, turn.text) for turn in one.turns] == [
        ("user", "First."),
        ("user", "Second."),
        ("assistant", "Third."),
    ]
    assert all(turn.at is not None for turn in one.turns)
    (other,) = [record for record in people if len(record.turns) == 1]
    assert other.turns[0].at is None


def test_names_and_ids_of_people_stay_behind(tmp_path: Path) -> None:
    said = [line("anna.k@web.de", "My name is Anna Kowalczyk, write to anna.k@web.de.", conversation="Anna at work")]
    (record,), _ = read(tmp_path / "a.jsonl", *said)
    assert not any(word in repr(record) for word in ("Anna", "Kowalczyk", "anna.k", "at work"))
    (other,), _ = read(tmp_path / "a.jsonl", *said, secret="another")
    assert other.person != record.person and other.turns != record.turns


def test_facts_are_found_by_rule_and_placed_in_time(tmp_path: Path) -> None:
    (record,), _ = read(tmp_path / "a.jsonl", line("u", "I have two dogs."), line("u", "What should I cook?"))
    (memory,) = record.memories
    assert "two dogs" in memory.text and memory.message_ids == ("l1",)
    assert record.known_at(record.turns[0]) == () and len(record.known_at(record.turns[1])) == 1


def test_what_was_said_in_a_crisis_is_left_out_with_its_reply(tmp_path: Path) -> None:
    (record,), _ = read(
        tmp_path / "a.jsonl",
        line("u", "I have two dogs."),
        line("u", "I want to kill myself tonight."),
        line("u", "Please call for help.", role="assistant"),
    )
    assert [turn.text for turn in record.turns] == ["I have two dogs."]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not JSON"),
        ("3", "not a JSON object"),
        (line(None, "x"), "no user"),
        (line("u", "x", role="system"), "a role that is neither user nor assistant"),
        (line("u", " "), "no content"),
        (line("u", "x", created_at="soon"), "created_at is no time: use ISO 8601 or seconds since 1970"),
        (line("u", "\ud800"), "a lone surrogate: it is not Unicode"),
    ],
)
def test_a_bad_line_is_said_by_its_number_and_the_rest_goes_on(tmp_path: Path, bad: str, reason: str) -> None:
    people, problems = read(tmp_path / "a.jsonl", line("u", "One."), bad, line("u", "Two."))
    assert problems == [("a.jsonl:2", reason)]
    assert [turn.text for turn in people[0].turns] == ["One.", "Two."]
