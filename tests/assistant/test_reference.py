from __future__ import annotations

from pathlib import Path

from assistant.reference import endpoints, error_codes, metrics, page

ROOT = Path(__file__).parents[2]


def test_the_reference_is_up_to_date() -> None:
    written = (ROOT / "docs" / "reference.md").read_text("utf-8")
    assert written == page(), "run: python -m assistant.reference"


def test_it_has_what_people_look_up() -> None:
    assert any("POST /v1/chat/completions" in row for row in endpoints())
    assert any("`model_busy`" in row for row in error_codes())
    assert any("attune_first_token_seconds" in row and "policy_version" in row for row in metrics())
    assert "| `server.port` | `8300` |" in page()


def test_the_guide_names_the_codes_that_exist_and_all_of_them() -> None:
    guide = (ROOT / "docs" / "api.md").read_text("utf-8").split("## Errors")[1].split("\n## ")[0]
    named = {code for row in guide.splitlines() if row[:3] in ("| 4", "| 5") for code in _codes(row.split("|")[2])}
    assert named == {code for row in error_codes() for code in _codes(row.split("|")[2])}


def _codes(cell: str) -> list[str]:
    return cell.replace("`", "").replace(" ", "").split(",")
