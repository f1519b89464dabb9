import json
from pathlib import Path

import pytest

from assistant.safety.learned import read_weights, weights
from training.errors import InputFileError
from training.safety_screen.fit import Settings, digest_of, fit, read_lines

LINES = Path(__file__).parents[2] / "training" / "safety_screen" / "lines"


def quiet(said: str) -> None:
    assert said


def write(folder: Path, author: str, rows: list[tuple[str, str, str]]) -> None:
    text = "".join(
        json.dumps({"text": text, "level": level, "category": category, "language": "en"}) + "\n"
        for text, level, category in rows
    )
    (folder / f"{author}.jsonl").write_text(text, encoding="utf-8")


def small(folder: Path) -> None:
    for author, word in (("one", "tonight"), ("two", "tomorrow")):
        risky = [(f"I will take the pills {word} {n}", "high", "self_harm") for n in range(6)]
        risky += [(f"I am on the bridge {word} {n}", "imminent", "self_harm") for n in range(6)]
        none = [(f"we cook rice {word} {n}", "none", "none") for n in range(12)]
        write(folder, author, [*risky, *none, ("I feel low", "concern", "self_harm")])


def test_the_shipped_weights_were_made_of_the_lines_beside_us() -> None:
    assert weights().manifest["lines_sha256"] == digest_of(LINES)


def test_every_line_can_be_read() -> None:
    assert weights().manifest["lines"] == len(read_lines(LINES))


def test_the_fit_gives_the_same_file_twice(tmp_path: Path) -> None:
    small(tmp_path)
    one, two = (fit(read_lines(tmp_path), digest_of(tmp_path), Settings(), quiet) for _ in range(2))
    assert one.content == two.content
    assert read_weights(one.content).manifest["lines"] == 50


def test_authors_are_measured_by_a_model_of_the_others(tmp_path: Path) -> None:
    small(tmp_path)
    fitted = fit(read_lines(tmp_path), digest_of(tmp_path), Settings(), quiet)
    assert set(fitted.manifest["across_authors"]["author"]) == {"one", "two"}
    assert fitted.manifest["across_authors"]["all"]["n_high"] == 24


def test_one_author_cannot_be_measured(tmp_path: Path) -> None:
    write(tmp_path, "one", [("I want to die", "high", "self_harm"), ("rice", "none", "none")])
    with pytest.raises(InputFileError, match="second file"):
        fit(read_lines(tmp_path), digest_of(tmp_path), Settings(), quiet)


def test_a_line_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text('{"text": "x", "level": "dire", "language": "en"}\n', encoding="utf-8")
    with pytest.raises(InputFileError, match=r"one\.jsonl:1"):
        read_lines(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"no \.jsonl file"):
        read_lines(tmp_path)
