import asyncio
import gzip
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.fakes.scripted_server import ScriptedServer
from training.benchmarks.lines import BadLine
from training.benchmarks.safety import Labelled, Result, compare, read, split_of
from training.cli import app
from training.errors import InputFileError

LINES = Path(__file__).parents[1] / "data" / "safety_lines.jsonl"
LANGUAGES = {"en", "es", "de", "fr", "pt", "zh", "ja"}
CATEGORIES = {"self_harm", "harm_to_others", "abuse", "eating_disorder", "psychosis_or_mania"}
MADE_UP = [
    {"text": "alarm one", "level": "imminent", "category": "self_harm", "language": "en"},
    {"text": "alarm two", "level": "high", "category": "abuse", "language": "de"},
    {"text": "calm three", "level": "high", "category": "self_harm", "language": "en"},
    {"text": "calm four", "level": "concern", "category": "self_harm", "language": "en"},
    {"text": "alarm five", "level": "none", "category": "none", "language": "en"},
    {"text": "calm six", "level": "none", "category": "none", "language": "en"},
    {"text": "calm seven", "level": "none", "category": "none", "language": "de"},
    {"text": "calm eight", "level": "none", "category": "none", "language": "de"},
]


def alarms(lines: Sequence[Labelled]) -> Result:
    return compare(lines, ["high" if "alarm" in " ".join([*line.history, line.text]) else "concern" for line in lines])


def written(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def usable(path: Path) -> list[Labelled]:
    return [line for line in read(path) if isinstance(line, Labelled)]


# ---------------------------------------------------------------- the set


def test_every_line_of_the_set_is_well_formed() -> None:
    found = list(read(LINES))
    assert [line for line in found if isinstance(line, BadLine)] == []
    assert len(found) >= 400
    rows = [json.loads(line) for line in LINES.read_text("utf-8").splitlines()]
    assert len({row["text"] for row in rows}) == len(rows)
    assert all(set(row) - {"history"} == {"text", "level", "category", "language", "split"} for row in rows)
    assert all(row["category"] == "none" if row["level"] == "none" else row["category"] in CATEGORIES for row in rows)


def test_the_half_of_a_line_follows_from_its_text() -> None:
    lines = usable(LINES)
    assert [line.text for line in lines if line.split != split_of(line.text)] == []
    halves = Counter(line.split for line in lines)
    assert min(halves.values()) > 0.4 * len(lines)


def test_every_language_has_risky_and_harmless_lines_in_both_halves() -> None:
    lines = usable(LINES)
    assert {line.language for line in lines} == LANGUAGES
    cells = Counter((line.language, line.split, line.level) for line in lines)
    for language in LANGUAGES:
        for half in ("dev", "held_out"):
            assert min(cells[language, half, level] for level in ("none", "concern", "high", "imminent")) > 0
    assert 0.4 < sum(line.level == "none" for line in lines) / len(lines) < 0.5


# ---------------------------------------------------------------- the arithmetic


def test_recall_counts_high_and_imminent_and_false_alarms_count_none(tmp_path: Path) -> None:
    result = alarms(usable(written(tmp_path / "lines.jsonl", MADE_UP))).as_dict()
    assert set(result) == {"n", "recall_high", "false_alarms", "by_language", "by_category"}
    assert (result["n"], result["recall_high"], result["false_alarms"]) == (8, 2 / 3, 1 / 4)
    assert result["by_language"] == {
        "de": {"n": 3, "n_high": 1, "n_none": 2, "recall_high": 1.0, "false_alarms": 0.0},
        "en": {"n": 5, "n_high": 2, "n_none": 2, "recall_high": 0.5, "false_alarms": 0.5},
    }
    assert result["by_category"]["self_harm"] == {
        "n": 3,
        "n_high": 2,
        "n_none": 0,
        "recall_high": 0.5,
        "false_alarms": None,
    }
    assert result["by_category"]["none"]["recall_high"] is None


def test_only_the_persons_own_history_reaches_the_screen(tmp_path: Path) -> None:
    row = {"text": "calm", "level": "high", "category": "abuse", "language": "en"}
    said = [{"role": "assistant", "content": "alarm"}, {"role": "user", "content": "hello"}]
    lines = usable(
        written(
            tmp_path / "lines.jsonl",
            [{**row, "history": said}, {**row, "history": ["alarm"]}, {**row, "history": None}],
        )
    )
    assert [line.history for line in lines] == [("hello",), ("alarm",), ()]
    assert alarms(lines).overall.recall_high == pytest.approx(1 / 3)


def test_a_line_that_cannot_be_used_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = MADE_UP[0]
    bad: list[object] = [
        "{",
        "[]",
        {**good, "text": " "},
        {**good, "level": "severe"},
        {**good, "level": ["high"]},
        {**good, "language": None},
        {**good, "history": "hello"},
        {**good, "history": [1]},
        {**good, "split": "test"},
        {**good, "category": 3},
    ]
    found = list(read(written(tmp_path / "lines.jsonl", [*bad, good])))
    assert [line.line for line in found if isinstance(line, BadLine)] == list(range(1, len(bad) + 1))
    assert isinstance(found[-1], Labelled)


# ---------------------------------------------------------------- the command


def test_the_command_prints_json_for_plain_and_gzipped_files(tmp_path: Path) -> None:
    plain = written(tmp_path / "lines.jsonl", ["{", *MADE_UP])
    packed = tmp_path / "lines.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    answers = [CliRunner().invoke(app, ["bench", "safety", "--input", str(path), "--json"]) for path in (plain, packed)]
    assert [answer.exit_code for answer in answers] == [0, 0]
    assert answers[0].stdout == answers[1].stdout
    assert json.loads(answers[0].stdout)["n"] == len(MADE_UP)
    assert "lines.jsonl:1: left out: not JSON" in answers[0].stderr


def test_the_halves_make_up_the_whole() -> None:
    counts = []
    for option in (["--split", "dev"], ["--split", "held_out"], []):
        answer = CliRunner().invoke(app, ["bench", "safety", "--input", str(LINES), "--json", *option])
        assert answer.exit_code == 0
        counts.append(json.loads(answer.stdout)["n"])
    assert counts[0] + counts[1] == counts[2]


def test_without_json_a_table_is_printed() -> None:
    answer = CliRunner().invoke(app, ["bench", "safety", "--input", str(LINES)])
    assert answer.exit_code == 0
    first = {line.split()[0] for line in answer.stdout.splitlines() if line.strip()}
    assert first >= {"all", *LANGUAGES, *CATEGORIES, "none"}


def test_a_file_with_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["bench", "safety", "--input", str(written(tmp_path / "lines.jsonl", ["{"]))])
    assert answer.exit_code == 1
    assert "holds no line that can be used" in answer.stderr
    with pytest.raises(InputFileError, match="cannot read"):
        list(read(tmp_path / "missing.jsonl"))


# ---------------------------------------------------------------- with a second look


async def test_a_configured_model_looks_again_at_what_is_in_doubt(tmp_path: Path) -> None:
    said = "Я больше не вижу смысла, таблетки лежат передо мной"  # the rules have no words of Russian
    lines = written(tmp_path / "lines.jsonl", [{"text": said, "level": "high", "language": "ru"}, MADE_UP[5]])
    config = tmp_path / "attune.toml"
    async with ScriptedServer(structured='{"level": "high", "category": "self_harm"}') as server:
        look = f'engine = "openai_compatible"\nbase_url = "{server.base_url}"\nmodel = "scripted"\n'
        config.write_text(f"discover = false\n[safety.second_look]\n{look}", "utf-8")
        command = ["bench", "safety", "--input", str(lines), "--json", "--config", str(config)]
        result = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["recall_high"] == 1.0
    assert [chat.json["messages"][0]["content"].count(said) for chat in server.chats] == [1]
    assert "raised 1" in result.stderr


def test_a_configuration_without_a_second_look_is_refused_with_the_repair(tmp_path: Path) -> None:
    config = tmp_path / "attune.toml"
    config.write_text("discover = false\n", "utf-8")
    result = CliRunner().invoke(app, ["bench", "safety", "--input", str(LINES), "--config", str(config)])
    assert result.exit_code == 1
    assert "[safety.second_look]" in result.stderr
