import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from memory.importing.jsonl import Named, read_jsonl


def read(path: Path, *lines: Any) -> list[Named | str]:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return list(read_jsonl(path))


def line(content: str, user: str | None = "ada", conversation: str = "one", **more: Any) -> dict[str, Any]:
    return {"user": user, "conversation": conversation, "role": "user", "content": content, **more}


def test_lines_become_conversations_though_they_are_interleaved(tmp_path: Path) -> None:
    lines = [line("a"), line("b", conversation="two"), line("c", role="assistant"), line("d", user="bob")]
    found = [one for one in read(tmp_path / "x.jsonl", *lines) if isinstance(one, Named)]
    told = [(one.user, one.history.key, [turn.text for turn in one.history.turns]) for one in found]
    assert told == [("ada", "one", ["a", "c"]), ("ada", "two", ["b"]), ("bob", "one", ["d"])]


def test_dates_are_the_lines_own_and_else_made_up_and_marked(tmp_path: Path) -> None:
    dated = [line("a", created_at="2024-05-06T07:08:09+02:00"), line("b"), line("c", created_at=1714980000)]
    (one,) = read(tmp_path / "x.jsonl", *dated)
    assert isinstance(one, Named) and not one.history.synthetic_dates
    first = datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC)
    assert [turn.at for turn in one.history.turns] == [first, first, datetime(2024, 5, 6, 7, 20, tzinfo=UTC)]
    (other,) = read(tmp_path / "y.jsonl", line("a"), line("b"))
    assert isinstance(other, Named) and other.history.synthetic_dates
    assert other.history.turns[1].at - other.history.turns[0].at == timedelta(minutes=1)


def test_lines_that_cannot_be_read_are_named_with_their_number(tmp_path: Path) -> None:
    bad = ["{", [], {"user": "ada"}, line(""), line("x", role="system"), line("x", created_at="2024-05-06T07:08:09")]
    found = read(tmp_path / "x.jsonl", *bad, line("nul \0"), line("good"))
    assert [str(one).split(":")[0] for one in found[:-1]] == [f"line {number}" for number in range(1, 8)]
    assert isinstance(found[-1], Named)
