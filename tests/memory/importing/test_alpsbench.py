import gzip
import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from memory.config import MemoryConfig, ReflectionConfig
from memory.errors import ImportFileError
from memory.importing import lines
from memory.importing.alpsbench import import_alpsbench
from memory.importing.history import ImportSummary, Progress
from memory.ledger.ledger import Ledger
from memory.queue import ReflectionWorker
from memory.types import CrisisLevel, Message
from tests.fakes.fact_index import RememberingIndex


def record(session: str, *said: str, **rest: Any) -> str:
    """One line; the person and the assistant speak in turn."""
    dialogue = [{"role": ("user", "assistant")[n % 2], "text": text} for n, text in enumerate(said)]
    return json.dumps({"session_id": session, "dialogue": dialogue, "memories": [], **rest}, ensure_ascii=False)


THREE = "\n".join(
    [
        record("a", "I am a nurse.", "Nurses see much.", "My dog is called Biscuit. 🦮"),
        record("b", "Do I need a visa?", "Perhaps."),
        record("c", "我住在杭州。"),
    ]
)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


async def history(ledger: Ledger, person_id: str) -> list[Message]:
    (conversation,), _ = await ledger.conversations.list(person_id)
    assert (conversation.origin, conversation.synthetic_dates) == ("import:alpsbench", True)
    messages, _ = await ledger.messages.list(person_id, conversation.id)
    return messages


@pytest.mark.parametrize("packed", [False, True])
async def test_each_record_becomes_a_person_with_a_conversation(ledger: Ledger, tmp_path: Path, packed: bool) -> None:
    path = write(tmp_path / "in.jsonl", gzip.compress(THREE.encode()) if packed else THREE)
    summary = await import_alpsbench(ledger, path)
    assert summary == ImportSummary(3, 3, 6, 3, person_ids=summary.person_ids)
    ana = await ledger.users.by_external("alpsbench:a")
    assert ana.id == summary.person_ids[0]
    messages = await history(ledger, ana.id)
    assert [(one.role, one.text) for one in messages] == [
        ("user", "I am a nurse."),
        ("assistant", "Nurses see much."),
        ("user", "My dog is called Biscuit. 🦮"),
    ]
    assert [one.parent_id for one in messages] == [None, messages[0].id, messages[1].id]
    (job,) = await ledger.jobs.list(person_id=ana.id)
    assert job.payload["message_ids"] == [one.id for one in messages]
    ((conversation,), _) = await ledger.conversations.list(ana.id)
    assert conversation.title == "I am a nurse."
    assert conversation.updated_at == messages[-1].created_at


async def test_dates_increase_and_follow_from_the_session(
    ledger: Ledger, tmp_path: Path, memory_config: MemoryConfig
) -> None:
    path = write(tmp_path / "in.jsonl", THREE)
    (first, *_) = (await import_alpsbench(ledger, path)).person_ids
    dates = [one.created_at for one in await history(ledger, first)]
    assert dates == sorted(set(dates))
    async with Ledger.open(MemoryConfig(home=tmp_path / "another")) as another:
        (again, *_) = (await import_alpsbench(another, path)).person_ids
        assert [one.created_at for one in await history(another, again)] == dates


async def test_a_second_run_doubles_nothing(ledger: Ledger, tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", THREE)
    first = await import_alpsbench(ledger, path)
    second = await import_alpsbench(ledger, path)
    assert second == ImportSummary(already_there=3, person_ids=first.person_ids)
    assert len(await ledger.jobs.list()) == 3


async def test_what_was_imported_is_reflected_on(ledger: Ledger, tmp_path: Path) -> None:
    summary = await import_alpsbench(ledger, write(tmp_path / "in.jsonl", THREE))
    assert await ReflectionWorker(ledger, RememberingIndex(), None, ReflectionConfig(), "w").drain(240)
    found = [[fact.text for fact in (await ledger.facts.list(id))[0]] for id in summary.person_ids]
    assert found == [["My dog is called Biscuit.", "I am a nurse."], [], ["我住在杭州。"]]


async def test_a_long_record_becomes_several_jobs_with_every_turn_of_the_person(ledger: Ledger, tmp_path: Path) -> None:
    said = [f"{who} {n} " + "word " * 50 for n in range(20) for who in ("I am", "You are")]
    summary = await import_alpsbench(ledger, write(tmp_path / "in.jsonl", record("a", *said)), batch_chars=1000)
    jobs = await ledger.jobs.list()
    assert summary.jobs == len(jobs) > 5
    asked = [id for job in jobs for id in job.payload["message_ids"]]
    messages = await history(ledger, summary.person_ids[0])
    # The last reply is a batch of its own, and there is nothing to learn from it.
    assert asked == [one.id for one in messages[:-1]]


BAD = {
    "not JSON": ("{", "not JSON at character 1"),
    "no object": ("[1, 2]", "not a JSON object"),
    "deep": ("[" * 100_000, "cannot be read"),
    "no session": (json.dumps({"dialogue": [{"role": "user", "text": "Hi"}]}), "no session_id"),
    "a long session": (record("x" * 201, "Hi"), "no session_id"),
    "no dialogue": (json.dumps({"session_id": "x"}), "no dialogue"),
    "an empty dialogue": (record("x"), "no dialogue"),
    "a silent dialogue": (record("x", " ", "\n"), "nothing was said"),
    "a wrong role": (record("x", "Hi").replace('"user"', '"system"'), "turn 0 has a role"),
    "a role of its own": (record("x", "Hi").replace('"user"', '["user"]'), "turn 0 has a role"),
    "no text": (record("x", "Hi").replace('"Hi"', "null"), "turn 0 has no text"),
    "no turn": (json.dumps({"session_id": "x", "dialogue": ["Hi"]}), "turn 0 is not an object"),
    "a NUL": (record("x", "Hi\x00"), "NUL"),
    "a lone surrogate": (record("x", "Hi").replace("Hi", "\\ud83d"), "lone surrogate"),
}


@pytest.mark.parametrize(("line", "why"), BAD.values(), ids=BAD.keys())
async def test_a_bad_line_is_named_and_skipped(ledger: Ledger, tmp_path: Path, line: str, why: str) -> None:
    good, *others = THREE.split("\n")
    summary = await import_alpsbench(ledger, write(tmp_path / "in.jsonl", "\n".join([good, "", line, *others])))
    (skipped,) = summary.skipped
    assert skipped.startswith("line 3: ") and why in skipped
    assert summary.people == 3
    people, _ = await ledger.users.list()
    assert len(people) == 3


async def test_bytes_that_are_no_text_and_endless_lines_are_skipped(ledger: Ledger, tmp_path: Path) -> None:
    endless = b" " * (lines.MAX_LINE_BYTES + 5)
    path = write(tmp_path / "in.jsonl", b"\xef\xbb\xbf" + b"\n".join([THREE.encode(), b"\xff{}", endless]))
    summary = await import_alpsbench(ledger, path)
    assert summary.people == 3
    assert summary.skipped == ("line 4: not UTF-8 at byte 0", f"line 5: longer than {lines.MAX_LINE_BYTES} bytes")


async def test_a_cut_off_gzip_file_gives_what_it_holds(ledger: Ledger, tmp_path: Path) -> None:
    noise = random.Random(0)
    many = [record(f"s{n}", noise.randbytes(2_000).hex()) for n in range(40)]
    packed = gzip.compress("\n".join(many).encode())
    summary = await import_alpsbench(ledger, write(tmp_path / "in.jsonl.gz", packed[: len(packed) // 2]))
    assert 0 < summary.people < 40
    (skipped,) = summary.skipped
    assert "damaged or cut off" in skipped


async def test_a_damaged_gzip_file_is_named(ledger: Ledger, tmp_path: Path) -> None:
    summary = await import_alpsbench(ledger, write(tmp_path / "in.jsonl.gz", b"\x1f\x8b" + b"\x00" * 50))
    assert summary == ImportSummary(skipped=summary.skipped)
    assert "line 1: the gzip file is damaged" in summary.skipped[0]


async def test_a_file_that_cannot_be_opened_is_an_error(ledger: Ledger, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.jsonl"):
        with pytest.raises(ImportFileError, match="cannot read"):
            await import_alpsbench(ledger, path)


async def test_an_empty_file_holds_nobody(ledger: Ledger, tmp_path: Path) -> None:
    assert await import_alpsbench(ledger, write(tmp_path / "in.jsonl", "")) == ImportSummary()


async def test_progress_is_told_and_the_limit_kept(ledger: Ledger, tmp_path: Path) -> None:
    told: list[Progress] = []
    path = write(tmp_path / "in.jsonl", "{\n" + THREE)
    summary = await import_alpsbench(ledger, path, limit=2, progress=told.append)
    assert summary.people == 2
    assert told == [Progress(0, 2), Progress(1, 2), Progress(2, 2), Progress(2, 2)]


async def test_crisis_turns_are_screened_where_a_screen_is_given(ledger: Ledger, tmp_path: Path) -> None:
    def screen(text: str) -> CrisisLevel:
        return "high" if "die" in text else "none"

    path = write(
        tmp_path / "in.jsonl", record("a", "I lost my job and I want to die.", "Please call.", "I have a cat.")
    )
    summary = await import_alpsbench(ledger, path, screen=screen)
    levels = [one.crisis_level for one in await history(ledger, summary.person_ids[0])]
    assert levels == ["high", None, "none"]
    assert await ReflectionWorker(ledger, RememberingIndex(), None, ReflectionConfig(), "w").drain(240)
    (fact,), _ = await ledger.facts.list(summary.person_ids[0])
    assert fact.text == "I have a cat."


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from memory.config import MemoryConfig
from memory.importing.alpsbench import import_alpsbench
from memory.ledger.ledger import Ledger

def stop(progress):
    if progress.done == 5:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with Ledger.open(MemoryConfig(home=Path(sys.argv[1]))) as ledger:
        await import_alpsbench(ledger, Path(sys.argv[2]), progress=stop)

asyncio.run(main())
"""


async def test_an_import_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", "\n".join(record(f"s{n}", f"I am {n}.", "Yes.") for n in range(12)))
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "home", path], check=False)  # noqa: ASYNC221
    assert killed.returncode == -signal.SIGKILL
    async with Ledger.open(MemoryConfig(home=tmp_path / "home")) as ledger:
        summary = await import_alpsbench(ledger, path)
        assert (summary.people, summary.already_there) == (7, 5)
        assert len(await ledger.jobs.list()) == 12
        for person_id in summary.person_ids:
            assert len(await history(ledger, person_id)) == 2
