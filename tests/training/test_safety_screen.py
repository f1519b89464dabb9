import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from assistant.safety.encoder import read_encoder
from assistant.safety.learned import encoder, read_weights, weights
from training.errors import InputFileError
from training.safety_screen.fit import Fitted, Settings, fit
from training.safety_screen.linear import solve
from training.safety_screen.lines import digest_of, folds, read_lines
from training.safety_screen.tuning import Tuning

QUICK = Settings(least_lines=2, tuning=Tuning(rank=2, frozen=5, epochs=1))
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


def fitted(folder: Path, workers: int = 1) -> Fitted:
    return fit(read_lines(folder), digest_of(folder), QUICK, quiet, workers)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lines")
    small(made)
    return made


@pytest.fixture(scope="module")
def one(folder: Path) -> Fitted:
    return fitted(folder)


def test_the_shipped_weights_were_made_of_the_lines_beside_us() -> None:
    assert weights().manifest["lines_sha256"] == digest_of(LINES)
    assert encoder().manifest["lines_sha256"] == digest_of(LINES)


def test_every_line_can_be_read() -> None:
    assert weights().manifest["lines"] == len(read_lines(LINES))


def test_the_fit_gives_the_same_files_twice(folder: Path, one: Fitted) -> None:
    two = fitted(folder, workers=2)
    assert one.learned == two.learned
    assert one.encoder == two.encoder


def test_the_files_say_what_they_were_made_of(folder: Path, one: Fitted) -> None:
    known = read_weights(one.learned).manifest
    assert known["lines"] == 50
    assert known["lines_sha256"] == read_encoder(one.encoder).manifest["lines_sha256"] == digest_of(folder)
    assert known["encoder_sha256"] == hashlib.sha256(one.encoder).hexdigest()


def test_authors_are_measured_by_a_model_of_the_others(one: Fitted) -> None:
    manifest = one.manifest
    assert set(manifest["across_authors"]["author"]) == {"one", "two"}
    assert manifest["across_authors"]["all"]["n_high"] == 24
    assert manifest["folds"] == [["one"], ["two"]]


def test_an_authors_lines_are_in_one_fold_and_ordinary_ones_in_all() -> None:
    lines = read_lines(LINES)
    where: dict[str, set[int]] = {}
    for line, fold in zip(lines, folds(lines), strict=True):
        where.setdefault(line.author, set()).add(int(fold))
    assert where.pop("ordinary") == where.pop("plain") == {0, 1, 2}
    assert all(len(found) == 1 for found in where.values())


def test_the_linear_part_is_the_ridge_regression() -> None:
    draw = np.random.default_rng(5)
    values, wanted = draw.normal(size=(30, 60)), np.where(draw.random((30, 2)) < 0.4, 1.0, -1.0)
    counts = draw.integers(1, 5, 30).astype(float)
    risky = wanted[:, 0] > 0
    weight = np.where(risky, 0.5 / risky.mean(), 0.5 / (~risky).mean()) * counts
    exact = np.linalg.solve(values @ values.T + 1 + np.diag(0.3 / weight), wanted)
    assert np.allclose(solve(sparse.csr_matrix(values), wanted, counts, 0.3), exact, atol=1e-4)


def test_one_author_cannot_be_measured(tmp_path: Path) -> None:
    write(tmp_path, "one", [("I want to die", "high", "self_harm"), ("rice", "none", "none")])
    with pytest.raises(InputFileError, match="second file"):
        fitted(tmp_path)


def test_a_line_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text('{"text": "x", "level": "dire", "language": "en"}\n', encoding="utf-8")
    with pytest.raises(InputFileError, match=r"one\.jsonl:1"):
        read_lines(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"no \.jsonl file"):
        read_lines(tmp_path)
