import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.fakes.examples import examples
from training.personaemp.dataset import Writer
from training.personaemp.identity import Identity
from training.personaemp.manifest import BuildInfo, ConsentSnapshot
from training.personaemp.split import SplitRule
from training.personaemp.upkeep_cli import check_set, fetch_set

AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command("fetch")(fetch_set)
    app.command("check")(check_set)
    return app


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "set"
    with Writer.open(out, Identity("set_cli", "00", AT)) as writer:
        for one in examples(30):
            writer.add(one)
        writer.finish(SplitRule(ood=False), BuildInfo())
    return out


def test_a_whole_data_set_may_be_trained_on(app: typer.Typer, written: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(written)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "may be trained on: 60 rows of 30 people" in result.stdout


def test_a_refusal_is_one_sentence_with_the_repair(app: typer.Typer, written: Path, tmp_path: Path) -> None:
    shutil.copytree(written, tmp_path / "set")
    (tmp_path / "set" / "test.parquet").write_bytes(b"")
    result = CliRunner().invoke(app, ["check", str(tmp_path / "set")])
    assert result.exit_code == 1 and result.stdout == ""
    assert "test.parquet is not the file that was written. Repair:" in result.stderr


def test_people_of_a_ledger_are_asked_after_there(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_HOME", str(tmp_path / "home"))
    with Writer.open(tmp_path / "set", Identity("set_cli", "00", AT)) as writer:
        for one in examples(30):
            writer.add(one)
        consent = ConsentSnapshot(at=AT, people=30, consenting=30, exported=30)
        writer.finish(SplitRule(ood=False), BuildInfo(consent=consent))
    result = CliRunner().invoke(app, ["check", str(tmp_path / "set")])
    assert result.exit_code == 1 and "was not built from this ledger" in result.stderr


def test_a_set_that_cannot_be_reached_is_refused_with_the_repair(app: typer.Typer, tmp_path: Path) -> None:
    command = ["fetch", "emobench", "--out", str(tmp_path), "--mirror", "http://127.0.0.1:9/"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1 and "MIT" in result.stdout and "or copy the file to" in result.stderr
