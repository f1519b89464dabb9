import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memory.errors import ImportFileError
from memory.importing.chatgpt import read_chatgpt
from memory.importing.history import History


def message(role: str, *parts: Any, at: Any = None, **more: Any) -> dict[str, Any]:
    content = {"content_type": "text", "parts": list(parts)}
    return {"author": {"role": role}, "content": content, "create_time": at, "recipient": "all", **more}


def conversation(*said: Any, **more: Any) -> dict[str, Any]:
    """One branch, oldest first, below an empty root."""
    mapping: dict[str, Any] = {"n0": {"id": "n0", "message": None, "parent": None, "children": []}}
    for number, one in enumerate(said, start=1):
        mapping[f"n{number}"] = {"id": f"n{number}", "message": one, "parent": f"n{number - 1}", "children": []}
    fields = {"title": "Talk", "create_time": 1700000000.25, "conversation_id": "c1", "current_node": f"n{len(said)}"}
    return {**fields, "mapping": mapping, **more}


def read(path: Path, *conversations: Any) -> list[History | str]:
    path.write_text(json.dumps(list(conversations)), encoding="utf-8")
    return list(read_chatgpt(path))


def test_what_was_said_is_read_in_order_with_its_own_dates(tmp_path: Path) -> None:
    asked, answered = message("user", "Hi.", at=1700000001.5), message("assistant", "Ho.", "Hu.", at=1700000002)
    (found,) = read(tmp_path / "c.json", conversation(message("system", "Be nice."), asked, answered))
    assert isinstance(found, History)
    assert [(turn.role, turn.text) for turn in found.turns] == [("user", "Hi."), ("assistant", "Ho.\nHu.")]
    assert found.turns[0].at == datetime(2023, 11, 14, 22, 13, 21, 500000, tzinfo=UTC)
    assert (found.title, found.synthetic_dates) == ("Talk", False)


def test_the_branch_that_was_shown_last_is_read_and_no_other(tmp_path: Path) -> None:
    one = conversation(message("user", "Hi."), message("assistant", "Old."))
    one["mapping"]["n9"] = {"id": "n9", "message": message("assistant", "New."), "parent": "n1", "children": []}
    (found,) = read(tmp_path / "c.json", {**one, "current_node": "n9"})
    assert isinstance(found, History) and [turn.text for turn in found.turns] == ["Hi.", "New."]


def test_files_tools_and_hidden_words_are_left_out_and_speech_is_kept(tmp_path: Path) -> None:
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}
    spoken = {"content_type": "audio_transcription", "text": "I row."}
    seen = message("user", picture, "Look.", spoken, None)
    seen["content"]["content_type"] = "multimodal_text"
    hidden = message("user", "secret", metadata={"is_visually_hidden_from_conversation": True})
    called = message("assistant", "search()", recipient="browser")
    code = {**message("assistant"), "content": {"content_type": "code", "text": "x = 1"}}
    empty = {**message("assistant"), "content": None}
    (found,) = read(tmp_path / "c.json", conversation(seen, hidden, called, code, empty, message("assistant", "Nice.")))
    assert isinstance(found, History) and [turn.text for turn in found.turns] == ["Look.\nI row.", "Nice."]


@pytest.mark.parametrize("at", [None, "soon", float("nan"), float("inf"), -5, 1e300, True, 4e10])
def test_a_date_that_is_none_is_taken_from_what_came_before(tmp_path: Path, at: Any) -> None:
    said = [message("user", "Hi.", at=1700000001), message("assistant", "Ho.", at=at)]
    (found,) = read(tmp_path / "c.json", conversation(*said))
    assert isinstance(found, History) and found.turns[1].at == found.turns[0].at


def test_conversations_that_cannot_be_read_are_named_and_the_others_kept(tmp_path: Path) -> None:
    circle = conversation(message("user", "Hi."), current_node="n1")
    circle["mapping"]["n0"]["parent"] = "n1"
    bad: list[Any] = [None, [], {}, conversation(message("user", "x"), conversation_id=7), conversation()]
    bad += [conversation(message("user", "nul \0"))]
    good = conversation(message("user", "Hi."), current_node=None, create_time=None)
    found = read(tmp_path / "c.json", *bad, good, circle)
    assert [one.split(": ")[0] for one in found if isinstance(one, str)] == [f"conversation {n}" for n in range(1, 7)]
    kept = [one for one in found if isinstance(one, History)]
    assert [one.synthetic_dates for one in kept] == [True, False]


def test_the_zip_of_an_export_is_read_in_all_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("user.json", "{}")
        for part in range(2):
            one = conversation(message("user", f"part {part}"), conversation_id=f"c{part}")
            packed.writestr(f"conversations-00{part}.json", json.dumps([one]))
    assert [one.key for one in read_chatgpt(path) if isinstance(one, History)] == ["c0", "c1"]


@pytest.mark.parametrize("cut", [1, 40, 400, -2])
def test_a_file_that_is_cut_off_says_so_after_what_was_whole(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "c.json"
    read(path, conversation(message("user", "Hi."), conversation_id="a"), conversation(message("user", "Ho.")))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ImportFileError, match="cut off"):
        list(read_chatgpt(path))


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe[]", b"[1 2]", b"[,1]"])
def test_what_is_no_export_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(content)
    with pytest.raises(ImportFileError):
        list(read_chatgpt(path))


def test_a_conversation_over_many_pieces_is_read_whole(tmp_path: Path) -> None:
    text = "ä" * 3_000_000
    found = read(tmp_path / "c.json", conversation(message("user", text)), conversation(message("user", "Hi.")))
    assert [len(one.turns[0].text) for one in found if isinstance(one, History)] == [3_000_000, 3]
