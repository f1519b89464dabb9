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


def test_every_code_it_names_in_the_guide_exists() -> None:
    codes = "\n".join(error_codes())
    for row in (ROOT / "docs" / "api.md").read_text("utf-8").split("## Errors")[1].split("##")[0].splitlines():
        if row.startswith("| 4") or row.startswith("| 5"):
            for code in row.split("|")[2].replace("`", "").split(","):
                assert f"`{code.strip()}`" in codes, code
