import asyncio
import gzip
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memory.types import Evidence, Message, NewTraitEvidence, Trait
from tests.fakes.scripted_server import ScriptedServer
from training.benchmarks.lines import BadLine
from training.benchmarks.persona import Labelled, measure, read
from training.cli import app
from training.errors import InputFileError

LETTERS = "OCEAN"


def person(text: str, high: bool, line: int = 1) -> Labelled:
    return Labelled(line, text, dict.fromkeys(Trait, float(high)))


async def count_good_and_bad(turns: Sequence[Message]) -> list[NewTraitEvidence]:
    """Every sentence with `good` speaks for all traits, every one with `bad` against."""
    return [
        NewTraitEvidence(trait, 1 if "good" in turn.text else -1, 0.5, Evidence(turn.id, turn.text), turn.created_at)
        for turn in turns
        for trait in Trait
        if "good" in turn.text or "bad" in turn.text
    ]


async def test_means_that_follow_the_labels_correlate_with_them() -> None:
    people = [
        person("It was good. It was good.", True, 1),
        person("It was bad.", False, 2),
        person("Good grief. bad.", False, 3),
    ]
    result = await measure(people, count_good_and_bad)
    assert result.n == 3
    assert result.sentences == 5
    assert all(r is not None and r > 0.9 for r in result.r.values())
    assert set(result.auc.values()) == {1.0}
    assert result.mean_r == pytest.approx(sum(r or 0 for r in result.r.values()) / 5)


async def test_what_cannot_be_measured_is_none_and_not_a_number() -> None:
    same = [person("It was good.", True, line) for line in range(4)]
    result = await measure(same, count_good_and_bad)
    assert set(result.r.values()) == {None}
    assert set(result.auc.values()) == {None}
    assert result.mean_r is None


async def test_the_curve_compares_people_who_wrote_enough() -> None:
    people = [
        person("It was good. " * 12 if high else "It was bad. " * 12, high, i)
        for i, high in enumerate([True, False] * 6)
    ]
    people.append(person("It was good.", True, 99))
    result = await measure(people, count_good_and_bad)
    assert [(point["sentences"], point["n"]) for point in result.curve] == [(5, 12), (10, 12)]


async def test_scores_that_are_not_binary_are_cut_at_their_median_for_auc() -> None:
    people = [
        Labelled(i, "It was good." if score > 3 else "It was bad.", dict.fromkeys(Trait, score))
        for i, score in enumerate([1.0, 2.0, 3.0, 3.5, 4.0, 5.0])
    ]
    assert set((await measure(people, count_good_and_bad)).auc.values()) == {1.0}


def line(text: str = "I worry.", **scores: object) -> str:
    return json.dumps({"text": text, **dict.fromkeys(LETTERS, 1), **scores})


def test_plain_and_compressed_files_are_read_alike(tmp_path: Path) -> None:
    lines = "\n".join([line("One."), "", line("Two.", N=0)])
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_text(lines)
    packed.write_bytes(gzip.compress(lines.encode()))
    assert list(read(plain)) == list(read(packed))
    assert [row.line for row in read(plain)] == [1, 3]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        (line(""), 'no "text"'),
        (line(O="high"), '"O" is not a number'),
        (line(A=None), '"A" is not a number'),
        (line(E=float("nan")), '"E" is not a number'),
    ],
)
def test_a_bad_line_is_named_by_number(tmp_path: Path, bad: str, reason: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(line() + "\n" + bad + "\n")
    _, found = read(file)
    assert isinstance(found, BadLine)
    assert found.line == 2
    assert reason in found.reason


@pytest.mark.parametrize("name", ["missing.jsonl", "missing.jsonl.gz", "broken.jsonl.gz"])
def test_a_file_that_cannot_be_read_says_which(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(InputFileError, match=name):
        list(read(tmp_path / name))


def test_the_command_prints_json_and_names_bad_lines(tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    worried = "I worry about everything. I panic easily. I feel down all the time."
    calm = "I stay calm under pressure. I love my life. We had a great time together."
    rows = [line(worried, N=1, E=0), line(calm, N=0, E=1)] * 2
    file.write_text("\n".join([*rows, "oops"]))
    run = CliRunner().invoke(app, ["bench", "persona", "--input", str(file), "--json"])
    assert run.exit_code == 0, run.stderr
    assert f"{file}:5: left out: not JSON" in run.stderr
    assert "4/4 people" in run.stderr
    found = json.loads(run.stdout)
    assert found["n"] == 4
    assert list(found["r"]) == list(found["auc"]) == list(LETTERS)
    assert found["r"]["N"] > 0.9
    assert found["r"]["O"] is None
    assert {"mean_r", "curve", "seconds_per_1000"} <= set(found)


def test_the_command_prints_a_table_and_stops_at_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    file.write_text("\n".join([line("I worry about everything."), line("We had fun.", N=0), line("It rains.")]))
    run = CliRunner().invoke(app, ["bench", "persona", "--input", str(file), "--limit", "2"])
    assert run.exit_code == 0, run.stderr
    assert "2 people, 2 sentences" in run.stdout


@pytest.mark.parametrize("content", [None, "", "oops\n"])
def test_the_command_fails_with_the_file_named_where_nothing_can_be_read(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "people.jsonl"
    if content is not None:
        file.write_text(content)
    run = CliRunner().invoke(app, ["bench", "persona", "--input", str(file)])
    assert run.exit_code == 1
    assert str(file) in run.stderr
    assert run.stdout == ""


def by_tone(body: dict[str, Any]) -> str:
    """What a model that takes every sentence with `good` for a sign of openness answers."""
    turns = re.findall(r'"turn": *(\d+).*?(It was good\.)', body["messages"][-1]["content"])
    found = {"trait": "openness", "direction": "high", "strength": 0.8, "item": None}
    return json.dumps(
        {"facts": [], "traits": [{**found, "turn": int(turn), "quote": said} for turn, said in turns], "feeling": None}
    )


async def run_with_model(tmp_path: Path, server: ScriptedServer) -> tuple[int, str, str]:
    source, config = tmp_path / "people.jsonl", tmp_path / "attune.toml"
    people = [{"text": text, **dict.fromkeys(LETTERS, label)} for text, label in SAID]
    source.write_text("\n".join(map(json.dumps, people)), encoding="utf-8")
    config.write_text(
        f'[policy]\nengine = "openai_compatible"\nbase_url = "{server.base_url}"\nmodel = "scripted"\nretries = 0\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "training.cli", "bench", "persona", "--input", str(source), "--json"]
    process = await asyncio.create_subprocess_exec(
        *command, "--config", str(config), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


SAID = [("It was good. We left.", 1), ("It was bad.", 0), ("It was good. It was good.", 1)]


async def test_with_a_configured_model_the_model_judges(tmp_path: Path) -> None:
    async with ScriptedServer(structured=by_tone) as server:
        code, out, err = await run_with_model(tmp_path, server)
        assert code == 0, err
        assert len(server.chats) == len(SAID)
    result = json.loads(out)
    assert result["r"]["O"] > 0.9
    assert result["r"]["C"] is None


async def test_a_model_that_fails_ends_the_measurement_with_a_sentence(tmp_path: Path) -> None:
    async with ScriptedServer(structured="no JSON at all") as server:
        code, out, err = await run_with_model(tmp_path, server)
    assert (code, out) == (1, "")
    assert "not JSON" in err
    assert "Traceback" not in err
