"""The commands of operators: keys and people, on a data directory of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from assistant.cli import app


@pytest.fixture
def attune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("ATTUNE_HOME", str(tmp_path))
    return CliRunner()


def _run(attune: CliRunner, *words: str) -> Result:
    return attune.invoke(app, list(words))


def test_keys_are_made_listed_and_revoked(attune: CliRunner) -> None:
    made = _run(attune, "keys", "create", "--label", "phone").stdout
    secret, told = made.splitlines()
    key_id, person = told.split()[1].rstrip(","), told.split()[-1]
    assert secret.startswith("attune_")
    _run(attune, "keys", "create", "--kind", "app", "--act-as")
    listed = _run(attune, "keys", "list").stdout
    assert f"{key_id}  user  active  {person}  phone" in listed
    assert "app+act_as  active" in listed
    assert secret not in listed
    assert _run(attune, "keys", "revoke", key_id).stdout == f"revoked {key_id}\n"
    assert f"{key_id}  user  revoked" in _run(attune, "keys", "list").stdout


def test_a_key_that_does_not_fit_its_kind_is_refused_in_words(attune: CliRunner) -> None:
    refused = _run(attune, "keys", "create", "--kind", "wizard")
    assert refused.exit_code != 0
    assert "kind" in str(refused.exception)
    assert "act_as" in str(_run(attune, "keys", "create", "--act-as").exception)


def test_people_are_listed_and_counted(attune: CliRunner) -> None:
    _run(attune, "keys", "create")
    [line] = _run(attune, "users", "list").stdout.splitlines()
    shown = _run(attune, "users", "show", line.split()[0]).stdout
    assert "messages             0" in shown
    assert "training             False" in shown


def test_the_yearly_report_is_printed(attune: CliRunner) -> None:
    told = _run(attune, "report", "safety", "--year", "2026").stdout
    assert told.startswith("Safety report for 2026")
    assert "Times crisis lines were shown: 0" in told
    assert '"year": 2026' in _run(attune, "report", "safety", "--year", "2026", "--json").stdout
